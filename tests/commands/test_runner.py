"""From a run of a task to its record."""

import dataclasses

import pytest

import interp
from interp.commands.evaluate_network import parse
from interp.commands.experiments import Section
from interp.commands.runner import keep_section, make_record, open_run, run_variants
from interp.core.errors import InputError
from interp.data.loaded import LoadedDatasets
from interp.evaluation.flags import Flag
from interp.models import build_network
from interp.report.records import RecordStore


@pytest.fixture
def run(tmp_path):
    network = build_network("small", (28, 28, 1), 10)
    path = interp.save_model(network, tmp_path / "digits_smallgap_normal_1.safetensors")
    asked = parse(
        ["--task=pgd_attack", "--dataset=digits", f"--network={path}", "--num_image=4", "--steps=1", "--epsilons=0.1"]
    )
    return open_run("pgd_attack", asked.options, asked.file, LoadedDatasets(None), quiet=True)


def test_flags_and_notes_of_every_value_of_an_option_are_kept_once(run):
    """Those of the last value alone were kept, so that a table of steps lost what was said of its first rows."""
    flag = Flag("one step", "one step is no search")
    variants = [
        (
            steps,
            dataclasses.replace(
                result, flags=[*result.flags, *([flag] if steps == 1 else [])], notes=["alike", f"of {steps}"]
            ),
        )
        for steps, result in run_variants(run, "steps", (1, 2))
    ]
    record = make_record(run, "steps", variants, {})
    assert [row[0] for row in record["rows"]] == [1, 2]
    assert [each["text"] for each in record["flags"]].count(flag.text) == 1
    assert [note for note in record["notes"] if note.startswith(("alike", "of "))] == ["alike", "of 1", "of 2"]


def test_of_a_file_that_changed_no_picture_is_left(run, tmp_path):
    run.file.path.write_bytes(run.file.path.read_bytes()[:-4] + b"late")
    with pytest.raises(InputError, match="changed while it was evaluated"):
        keep_section(RecordStore(tmp_path / "out"), "table", run, Section("accuracy under PGD", "pgd_attack"), {}, {})
    assert not (tmp_path / "out" / "table").exists()
