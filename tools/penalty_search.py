"""Search the usual penalty weights of methods whose papers scale images or maps otherwise: short trainings, judged on validation images.

    python tools/penalty_search.py tools/penalties.json --methods lga igr

Each method trains MNIST small for a few thousand steps with each of its weights. Of the weights that keep accuracy (on attacked validation
images where the method has an inner attack, else on clean ones) within TOLERATED of the best, the one counts whose maps move least under a
short search. What is measured is written at once; a weight that is there already is not trained again.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from interp import data, models, training
from interp.attacks import ExplanationAttack
from interp.core.command_line import Parser, run
from interp.core.errors import InputError
from interp.core.files import check_writable, write_json
from interp.core.json_values import parse_json
from interp.core.provenance import describe_run
from interp.evaluation import explanation_validity
from interp.training.profiles import for_epochs, with_profile
from interp.training.recipes import recipes

WEIGHTS = {
    # With 1 the 20 epochs of train.py 9 diverge, though these short ones do not.
    "lga": (0.03, 0.1, 0.3),
    "hessian": (1e-4, 1e-3, 1e-2, 3e-2, 1e-1),
    "r2et": (0.1, 0.3, 1.0, 3.0, 10.0),
    "igr": (0.1, 1.0, 10.0),
    "art": (0.5, 2.0, 8.0),
    # What the others are compared with.
    "normal": (0.0,),
    "fast": (0.0,),
}
EPOCHS, IMAGES, JUDGED, TOLERATED = 2, 20_000, 20, 0.03
SEED = 99


def measure(tag: str, weight: float) -> dict[str, float]:
    """Train with one weight and judge what came out."""
    rows = [*recipes(1), *recipes(9)]
    row = next(row for row in rows if (row.dataset, row.architecture, row.objective) == ("mnist", "small", tag))
    row = for_epochs(with_profile(row, "cpu"), EPOCHS)
    # A third of the images: the ramp is over in the first epoch.
    schedule = replace(row.schedule, ramp=(0, 300))
    images, validation = data.load("mnist", "train").take(IMAGES), data.load("mnist", "validation")
    network = models.build_network("small", images.image_shape, images.classes, seed=SEED)
    objective = row.method
    penalty = weight if objective.penalty_weight is not None else None
    history = training.train(
        network, objective, images, schedule, validation=validation, seed=SEED, penalty_weight=penalty
    )
    attack = ExplanationAttack(epsilon=0.0, measures=["kendall_tau"], steps=30, restarts=1, queries=0)
    few = validation.take(JUDGED)
    found = {name: value for name, value in history[-1].items() if name.startswith("validation")}
    found["seconds"] = history[-1]["seconds"]
    for explanation in ("gradient", "ig"):
        judged = explanation_validity(
            network, few.images, few.labels, explanation, [schedule.epsilon], attack, seed=SEED
        )
        [moved] = judged.rows[0].measures
        for name, mean in (("tau", moved.worst_case), ("noise", moved.noise)):
            if mean.value is not None:
                found[f"{explanation}_{name}"] = round(mean.value, 4)
    return found


def best_weight(tag: str, measured: dict[str, dict[str, float]]) -> float:
    """The weight that counts, of those measured, by their text; weights of earlier searches do not."""
    measured = {text: measured[text] for text in (f"{weight:g}" for weight in WEIGHTS[tag]) if text in measured}
    accuracy, maps = judged_by(tag), f"{'ig' if tag == 'igr' else 'gradient'}_tau"
    least = max(found[accuracy] for found in measured.values()) - TOLERATED
    kept = {text: found for text, found in measured.items() if found[accuracy] >= least}
    # Maps that are not defined anywhere are no good ones.
    return float(max(kept, key=lambda text: kept[text].get(maps, -1.0)))


def judged_by(tag: str) -> str:
    """The accuracy that a weight of a method has to keep."""
    attacks = training.OBJECTIVES[tag].attack is not None
    return f"validation_{'robust_' if attacks else ''}accuracy"


def read_record(path: Path) -> dict[str, Any]:
    """What earlier searches measured, nothing where there is no such file. Raises InputError for a damaged one."""
    try:
        record = parse_json(path.read_text(encoding="utf-8"))
        rows = [(tag, found) for tag, entry in record.items() if tag != "made" for found in entry["measured"].values()]
        sound = isinstance(record.get("made", {}), dict) and all(
            all(isinstance(value, (int, float)) for value in found.values()) and judged_by(tag) in found
            for tag, found in rows
        )
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} cannot be read as a record of this search: remove it, or name another file"
        ) from error
    if not sound:
        raise InputError(f"{path} does not say how good each weight was: remove it, or name another file")
    return dict(record)


def parser() -> Parser:
    """The command line."""
    made = Parser("tools/penalty_search.py", __doc__)
    made.add_argument("record", type=Path, help="the JSON file that holds what was measured")
    made.add_argument("--methods", nargs="+", choices=WEIGHTS, default=list(WEIGHTS))
    return made


def search(options: argparse.Namespace) -> int:
    """Measure what is not in the record; return the exit code. Raises InputError, also for a record of other settings."""
    record = read_record(options.record)
    made = {"epochs": EPOCHS, "images": IMAGES, "judged": JUDGED, "tolerated": TOLERATED, "seed": SEED}
    other = [name for name, value in made.items() if record.get("made", {}).get(name, value) != value]
    if other:
        raise InputError(f"{options.record} holds what was measured with other {', '.join(other)}: name another file")
    # What cannot be written is told before anything is trained.
    check_writable(options.record.parent)
    for tag in options.methods:
        measured = record.setdefault(tag, {"measured": {}})["measured"]
        for weight in WEIGHTS[tag]:
            if f"{weight:g}" not in measured:
                measured[f"{weight:g}"] = measure(tag, weight)
                print(tag, f"{weight:g}", measured[f"{weight:g}"], flush=True)
                record["made"] = {**made, "run": describe_run(vars(options))}
            record[tag]["chosen"] = best_weight(tag, measured)
            write_json(options.record, record)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it from the command line."""
    return run(parser().parse_args, search, arguments)


if __name__ == "__main__":
    sys.exit(main())
