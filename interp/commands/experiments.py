"""The sections of `eval.py`, as data: a task of `eval_cmd.py`, its variants, and the training scripts whose networks it is for."""

from dataclasses import dataclass
from functools import partial

MAIN, WHITEBOX = (1, 2, 3, 4, 5), (8,)


@dataclass(frozen=True)
class Section:
    """A task, run once for each of the `variants` (options and the values they take), on the networks of the `scripts`."""

    help: str
    task: str
    scripts: tuple[int, ...] = MAIN
    option: str | None = None
    values: tuple[int, ...] = (0,)
    arguments: tuple[str, ...] = ()
    # Objectives that the section leaves out.
    without: tuple[str, ...] = ()
    # Datasets it is for, unless one is asked for; all without them.
    datasets: tuple[str, ...] = ()


# Unforeseen attacks are for the networks of these scripts and datasets.
_unforeseen = partial(Section, task="uar_attack", scripts=(1, 3, 4, 5), datasets=("cifar", "restimagenet"))

SECTIONS: dict[int, dict[str, Section]] = {
    1: {
        "pgd": Section(
            "accuracy under PGD of 1, 10, 100 and 200 steps", "pgd_attack", option="steps", values=(1, 10, 100, 200)
        ),
        "aai": Section("agreement of maps under the top-k attack", "aai_topk"),
        "cam": Section("pictures of class activation maps", "vis_cam"),
        "topk": Section("strongest positions shared with the Normal network", "intr_topk", without=("normal",)),
        "validity": Section(
            "accuracy under the strong protocol, and what is flagged", "pgd_attack", arguments=("--protocol", "strong")
        ),
        "explanations": Section("how far explanations can be moved, strong protocol", "explanation_attack"),
        "leaderboard": Section("rows of the leaderboard, by the strong protocols", "leaderboard"),
        "uar": _unforeseen("accuracy under unforeseen attacks", arguments=("--goal", "both")),
        "uar_budgets": _unforeseen(
            "accuracy under unforeseen attacks over their budgets", arguments=("--budgets", "all")
        ),
    },
    2: {
        "grid": Section("accuracy under PGD over penalty weights and training radii", "pgd_attack", scripts=(7,)),
        "bound": Section("margin against discrepancy at the smallest radius", "min_pgd_attack"),
        "isa": Section("discrepancy that sneaking attacks are left with", "isa_cam"),
        "isa_reference": Section(
            "the same along the direction of the paper's code", "isa_cam", arguments=("--direction", "reference")
        ),
    },
    3: {
        "saliency": Section("attribution maps of every method", "saliency", scripts=WHITEBOX),
        "coherence": Section("the grid of all methods, share on the object, agreement", "coherence", scripts=WHITEBOX),
        "selectivity": Section("erasing the strongest patches one after the other", "selectivity", scripts=WHITEBOX),
        "faithfulness": Section("maps by measures that ask the model", "faithfulness", scripts=WHITEBOX),
        "sanity_check": Section("maps of randomised weights", "sanity_check", scripts=WHITEBOX),
        "roar": Section("retraining without the strongest pixels", "roar", scripts=WHITEBOX),
        "kar": Section("retraining without the weakest pixels", "kar", scripts=WHITEBOX),
    },
}
# The tables and pictures of the paper by its own protocol, then the same figures by the strong ones, which take longest.
SECTIONS[4] = {
    **{name: SECTIONS[1][name] for name in ("pgd", "aai", "topk", "cam")},
    **{name: SECTIONS[2][name] for name in ("bound", "isa", "isa_reference")},
    "tradeoff": Section("discrepancy of class activation maps against the radius", "tradeoff_cam"),
    "grid": SECTIONS[2]["grid"],
    **{name: SECTIONS[1][name] for name in ("uar", "uar_budgets", "validity", "explanations")},
    "isa_strong": Section(
        "discrepancy that a strong search for sneaking attacks leaves", "isa_cam", arguments=("--protocol", "strong")
    ),
}
DESCRIPTIONS = {
    1: "main experiments",
    2: "additional experiments",
    3: "saliency suite",
    4: "the paper's tables and pictures, by its protocol and by the strong ones",
}
