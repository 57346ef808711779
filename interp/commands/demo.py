"""Train three small networks, attack them, explain them: from data to a report in a few minutes."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interp.commands.evaluate import Asked, ExperimentOptions, evaluate, section_options
from interp.commands.experiments import Section
from interp.commands.networks import NetworkOnDataset
from interp.commands.train import TrainingOptions
from interp.core.argument_types import radius, whole_number
from interp.core.command_line import run
from interp.core.errors import InputError
from interp.core.network_files import NetworkFile
from interp.core.options import Options, option, read_options
from interp.core.tables import counted
from interp.data import SPLITS, Dataset, find_dataset, load
from interp.training.recipes import Recipe
from interp.training.schedule import Schedule

SCRIPT = "python -m interp demo"
METHODS = ("normal", "adv", "int")
# For Int twice the paper's: a short training on a small set needs the stronger pull.
PENALTY_WEIGHTS = {"int": 0.02}
EPSILON_FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
SHOWN_IMAGES = 5
MEASURED = "gradient,smooth_grad,integrated_gradients"


@dataclass(frozen=True, kw_only=True)
class DemoOptions(Options):
    """Options of the demo."""

    dataset: str = option("digits", "digits comes with scikit-learn; mnist needs its files")
    data_dir: Path | None = option(None, "directory of datasets", parse=Path, usual="INTERP_DATA_DIR")
    epochs: int = option(40, "epochs of each training", parse=whole_number(1))
    epsilon: float = option(0.1, "largest change of a pixel", parse=radius)
    num_image: int = option(200, "test images that are attacked", parse=whole_number(1))
    seed: int = option(99, "seed of weights, order, attacks and sample", parse=whole_number(0))
    out: Path = option(Path("gen_images/demo"), "directory of the report", parse=Path)

    def check(self, given: frozenset[str]) -> None:
        find_dataset(self.dataset)


def sections(epsilon: float) -> dict[str, Section]:
    """What is measured and shown of the networks."""
    radii = ",".join(f"{min(factor * epsilon, 1):.6g}" for factor in EPSILON_FACTORS)
    attack = ("--steps=40", f"--step-size={epsilon / 10:g}", "--restarts=2")
    return {
        "accuracy": Section(
            "accuracy under PGD against the radius",
            "pgd_attack",
            arguments=(f"--epsilons={radii}", *attack, "--iterate=worst"),
        ),
        "maps": Section(
            f"class activation maps before and after an attack at eps {epsilon:g}",
            "vis_cam",
            arguments=(f"--epsilons={epsilon:g}", *attack),
        ),
        "attributions": Section(
            "attributions: red pixels speak for the class, blue ones against it",
            "saliency",
            arguments=(f"--methods={MEASURED},guided_backprop,grad_cam", "--samples=25"),
            without=("adv",),
        ),
        "selectivity": Section(
            "the faster a curve falls beside the random one, the more the pixels that a method names matter",
            "selectivity",
            arguments=(f"--methods={MEASURED}", "--samples=25", "--steps=40"),
            without=("adv",),
        ),
    }


def recipes(options: DemoOptions, images: int) -> list[Recipe]:
    """The three networks, by the paper's shape of schedule in minutes: no attack at first, full radius from halfway on."""
    batch = min(50, images)
    steps = images // batch * options.epochs
    schedule = Schedule(
        epochs=options.epochs,
        batch_size=batch,
        learning_rates=((0, 2e-3),),
        epsilon=options.epsilon,
        ramp=(steps // 10, steps // 2),
        attack_steps=10,
        attack_step_size=options.epsilon / 4,
    )
    return [
        Recipe(
            dataset=find_dataset(options.dataset).prefix,
            architecture="small",
            objective=method,
            schedule=schedule,
            penalty_weight=PENALTY_WEIGHTS.get(method),
        )
        for method in METHODS
    ]


def load_splits(options: DemoOptions) -> dict[str, Dataset]:
    """The splits that all commands take, whatever the seed: else they would test a network of the demo on its training images."""
    return {split: load(options.dataset, split, data_dir=options.data_dir) for split in SPLITS}


def demo(options: DemoOptions) -> int:
    """Train, evaluate, draw and write; return the exit code."""
    from interp.commands.training_jobs import train_networks
    from interp.core.files import check_writable, locked
    from interp.data.loaded import LoadedDatasets
    from interp.evaluation import sample_images
    from interp.training.replicas import make_strategy

    began, out, measured = time.monotonic(), options.out, sections(options.epsilon)
    splits = load_splits(options)
    sample_images(splits["test"], options.num_image, seed=options.seed)
    check_writable(out)
    print(f"{options.dataset}: {counted(len(splits['train']), 'training image')}, {splits['test'].source}")
    rows = recipes(options, len(splits["train"]))
    with locked(out / ".lock"):
        _begin(rows, options, splits)
        training = TrainingOptions(seed=options.seed, networks_dir=out, pictures_dir=out / "training")
        train_networks(rows, training, {rows[0].dataset: splits}, make_strategy("none", None))
    images = dict.fromkeys(measured, min(SHOWN_IMAGES, options.num_image)) | {"accuracy": options.num_image}
    asked = Asked(
        options=ExperimentOptions(number=1, seed=options.seed, data_dir=options.data_dir),
        sections=measured,
        given={name: {**section_options(each), "num_image": images[name]} for name, each in measured.items()},
        named=[
            NetworkOnDataset(NetworkFile(out / f"{row.name}.safetensors", row.name), options.dataset) for row in rows
        ],
        folder=out,
        title="predictions and explanations under attack",
        listed=measured,
        introduction=[
            f"Three networks of the architecture small, trained on {options.dataset} ({splits['train'].source}): Normal sees clean "
            "images only, Adv trains on attacked ones (Madry et al. 2018), Int keeps its class activation maps where they are under "
            f"attack (Boopathy et al. 2020). Adv and Int train against changes of at most {options.epsilon:g} per pixel. Gradient "
            "attacks alone give an upper bound of robust accuracy."
        ],
    )
    code = evaluate(asked, LoadedDatasets(options.data_dir))
    print(f"open it in a browser; this took {time.monotonic() - began:.0f} s")
    return code


def _begin(rows: list[Recipe], options: DemoOptions, splits: dict[str, Dataset]) -> None:
    """Go on with what is there if it is of the same run; else remove its networks and records.

    Raises InputError where something is in their place that no demo wrote.
    """
    from interp import __version__
    from interp.core.files import write_text
    from interp.report.records import SETTINGS
    from interp.training.training_job import RUNS

    asked = {name: getattr(options, name) for name in ("dataset", "epochs", "epsilon", "num_image", "seed")}
    identities = {split: data.identity for split, data in splits.items()}
    text = json.dumps({**asked, "splits": identities, "version": __version__}, indent=2)
    path = options.out / "run.json"
    if path.is_file() and path.read_bytes() == text.encode():
        return
    files = [*(options.out / f"{row.name}.safetensors" for row in rows), options.out / SETTINGS]
    folders = [
        *(options.out / RUNS / row.name for row in rows),
        *(options.out / name for name in sections(options.epsilon)),
    ]
    foreign = [] if path.is_file() else [each for each in (*files, *folders) if each.exists()]
    if foreign:
        raise InputError(f"{foreign[0]} is there, and no demo wrote it: choose another --out, or move it away")
    for file in files:
        file.unlink(missing_ok=True)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    write_text(path, text)


def main(arguments: Sequence[str] | None = None, prog: str = SCRIPT) -> int:
    """Run the demo from the command line."""
    return run(lambda words: read_options(DemoOptions, words, prog, __doc__), demo, arguments)
