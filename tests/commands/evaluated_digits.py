"""Command lines that evaluate networks on a few digits."""

EVAL = ["--dataset=digits", "--num-image=6"]
TASK = ["--dataset=digits", "--num_image=6", "--steps=1"]


def options(networks, tmp_path, *more):
    return ["1", "--dataset=digits", f"--networks-dir={networks}", f"--out={tmp_path / 'out'}", "--num-image=4", *more]
