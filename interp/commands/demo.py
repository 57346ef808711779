"""Train three small networks, attack them, explain them: from data to a report in a few minutes."""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.commands.command_line import Parser, radius, run, training_bar, whole_number

if TYPE_CHECKING:
    import numpy as np

    from interp.attacks import ProjectedGradientDescent
    from interp.data import Dataset
    from interp.evaluation import AccuracyCurve
    from interp.models import Network
    from interp.training import Objective, Schedule

METHODS = ("normal", "adv", "int")
SHOWN_IMAGES = 5
# For Int twice the paper's: a short training on a small set needs the stronger pull.
PENALTY_WEIGHTS = {"int": 0.02}
EPSILON_FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
# Of a run that is not finished: its checkpoints and networks, from which the next one goes on.
UNFINISHED = ".unfinished"


def parser() -> argparse.ArgumentParser:
    """The command line of the demo."""
    parser = Parser("python -m interp.commands.demo", __doc__)
    parser.add_argument("--dataset", default="digits", help="digits comes with scikit-learn; mnist needs its files")
    parser.add_argument("--data-dir", type=Path, help="folder of datasets; INTERP_DATA_DIR without it")
    parser.add_argument("--epochs", type=whole_number(1), default=40, help="epochs of each training")
    parser.add_argument("--epsilon", type=radius, default=0.1, help="largest change of a pixel")
    parser.add_argument("--num-image", type=whole_number(1), default=200, help="test images that are attacked")
    parser.add_argument("--seed", type=whole_number(0), default=99, help="seed of weights, order, attacks and sample")
    parser.add_argument("--out", type=Path, default=Path("gen_images/demo"), help="folder of the report")
    return parser


@dataclass(frozen=True)
class Trained:
    """A network of the demo with its attacked images and figures."""

    objective: "Objective"
    network: "Network"
    curve: "AccuracyCurve"
    attacked: "np.ndarray"
    history: list[dict[str, float]]

    def result(self) -> dict[str, Any]:
        """The figures, as JSON values."""
        curve = self.curve
        return {
            "epsilons": curve.epsilons,
            "accuracies": curve.accuracies,
            "standard_errors": curve.standard_errors,
            "protocol": curve.protocol,
            "training_seconds": self.history[-1]["seconds"],
            "history": self.history,
        }


def demo(arguments: argparse.Namespace) -> int:
    """Train, evaluate, draw and write; return the exit code."""
    from interp import data
    from interp.attacks import ProjectedGradientDescent
    from interp.core.files import check_writable, locked
    from interp.evaluation import sample_images

    began = time.monotonic()
    splits = {
        split: data.load(arguments.dataset, split, data_dir=arguments.data_dir, seed=arguments.seed)
        for split in data.SPLITS
    }
    sample, _ = sample_images(splits["test"], arguments.num_image, seed=arguments.seed)
    check_writable(arguments.out)
    print(f"{arguments.dataset}: {len(splits['train'])} training images, {splits['test'].source}")
    schedule = _schedule(len(splits["train"]), arguments.epochs, arguments.epsilon)
    attack = ProjectedGradientDescent(
        epsilon=arguments.epsilon,
        step_size=arguments.epsilon / 10,
        steps=40,
        random_start=True,
        restarts=2,
        iterate="worst",
    )
    folder = arguments.out / UNFINISHED
    with locked(folder):
        _open_run(folder, arguments, splits)
        finished = [
            _trained(f"[{place}/{len(METHODS)}] training", method, schedule, splits, sample, attack, arguments, folder)
            for place, method in enumerate(METHODS, 1)
        ]
        _write(arguments, finished, splits, sample)
        shutil.rmtree(folder)
    print(f"wrote {arguments.out / 'report.html'} after {time.monotonic() - began:.0f} s: open it in a browser")
    return 0


def _open_run(folder: Path, arguments: argparse.Namespace, splits: "dict[str, Dataset]") -> None:
    """Go on with what an unfinished run left in the folder, if it was the same run; else remove it."""
    from interp import __version__
    from interp.core.files import write_text

    asked = {name: getattr(arguments, name) for name in ("dataset", "epochs", "epsilon", "num_image", "seed")}
    identities = {split: data.identity for split, data in splits.items()}
    text = json.dumps({**asked, "splits": identities, "version": __version__}, indent=2)
    path = folder / "run.json"
    if not path.is_file() or path.read_bytes() != text.encode():
        for left in folder.iterdir():
            # The lock is held by this process.
            if left.is_dir():
                shutil.rmtree(left)
            elif left.name != "lock":
                left.unlink()
        write_text(path, text)


def _write(
    arguments: argparse.Namespace, finished: list[Trained], splits: "dict[str, Dataset]", sample: "Dataset"
) -> None:
    from interp import models
    from interp.core.files import write_json
    from interp.core.provenance import describe_run

    for trained in finished:
        name = f"{arguments.dataset}_smallgap_{trained.objective.tag}_{arguments.epochs}.safetensors"
        models.save_model(trained.network, arguments.out / name)
    record = {
        **describe_run(vars(arguments)),
        "data": splits["test"].source,
        "num_image": len(sample),
        "results": {trained.objective.tag: trained.result() for trained in finished},
    }
    write_json(arguments.out / "results.json", record)
    _write_report(arguments, record, finished, sample)


def _schedule(images: int, epochs: int, epsilon: float) -> "Schedule":
    """The paper's shape of schedule on a scale of minutes: no attack at first, full radius from halfway on."""
    from interp.training import Schedule

    batch = min(50, images)
    steps = images // batch * epochs
    return Schedule(
        epochs=epochs,
        batch_size=batch,
        learning_rates=((0, 2e-3),),
        epsilon=epsilon,
        ramp=(steps // 10, steps // 2),
        attack_steps=10,
        attack_step_size=epsilon / 4,
    )


def _trained(
    label: str,
    method: str,
    schedule: "Schedule",
    splits: "dict[str, Dataset]",
    sample: "Dataset",
    attack: "ProjectedGradientDescent",
    arguments: argparse.Namespace,
    folder: Path,
) -> Trained:
    """Train and measure a network, go on where an unfinished run stopped, or take what it finished."""
    from interp import models, training
    from interp.evaluation import AccuracyCurve, accuracy_curve

    objective, seed = training.find_objective(method), arguments.seed
    path = folder / f"{method}.safetensors"
    shown = sample.take(min(SHOWN_IMAGES, len(sample)))
    if path.is_file():
        network = models.load_model(path)
        result = network.metadata["result"]
        curve = AccuracyCurve(tuple(result["epsilons"]), tuple(result["accuracies"]), len(sample), result["protocol"])
        history = result["history"]
        print(f"{label} {objective.title}: finished by the run before")
    else:
        network, history = _train(f"{label} {objective.title}", objective, schedule, splits, seed, folder)
        epsilons = [min(factor * attack.epsilon, 1.0) for factor in EPSILON_FACTORS]
        curve = accuracy_curve(network, sample.images, sample.labels, attack, epsilons, seed=seed)
    trained = Trained(objective, network, curve, attack(network, shown.images, shown.labels, seed=seed), history)
    if not path.is_file():
        metadata = {
            "dataset": arguments.dataset,
            **training.describe(objective, schedule, seed, PENALTY_WEIGHTS.get(method)),
            "result": trained.result(),
        }
        models.save_model(network, path, metadata)
        # As it reads for a run that goes on, and is written once more at the end.
        network.metadata = models.load_model(path).metadata
    robust = curve.accuracies[EPSILON_FACTORS.index(1.0)]
    print(f"      clean accuracy {curve.accuracies[0]:.3f}, under PGD at eps {attack.epsilon:g} {robust:.3f}")
    return trained


def _train(
    label: str, objective: "Objective", schedule: "Schedule", splits: "dict[str, Dataset]", seed: int, folder: Path
) -> "tuple[Network, list[dict[str, float]]]":
    from interp import models, training

    data = splits["train"]
    network = models.build_network("small", data.image_shape, data.classes, seed=seed)
    checkpointing = training.Checkpointing(
        folder=training.CheckpointFolder(folder / objective.tag),
        every_seconds=10,
        warn=lambda message: print(f"warning: {message}", file=sys.stderr),
    )
    with training_bar(label, len(data) // schedule.batch_size * schedule.epochs) as report:
        history = training.train(
            network,
            objective,
            schedule,
            data,
            validation=splits["validation"],
            seed=seed,
            penalty_weight=PENALTY_WEIGHTS.get(objective.tag),
            checkpointing=checkpointing,
            report=report,
        )
    return network, history


def _write_report(
    arguments: argparse.Namespace, record: dict[str, Any], finished: list[Trained], sample: "Dataset"
) -> None:
    from interp.commands.demo_attributions import add_attributions
    from interp.core.files import replacing
    from interp.report import Curve, Page, accuracy_figure, class_maps_figure, map_gallery

    curves = {trained.objective.title: trained.curve for trained in finished}
    pictures = {"accuracy": accuracy_figure(curves, training_epsilon=arguments.epsilon)}
    page = Page("interp: predictions and explanations under attack")
    page.text(
        f"Three networks of the architecture small, trained on {arguments.dataset} ({record['data']}): Normal sees clean "
        "images only, Adv trains on attacked ones (Madry et al. 2018), Int keeps its class activation maps where they are "
        "under attack (Boopathy et al. 2020). "
        f"Adv and Int train against changes of at most {arguments.epsilon:g} per pixel."
    )
    page.heading("Accuracy under attack")
    first = finished[0].curve
    error = max(max(curve.standard_errors) for curve in curves.values())
    page.table(
        ["network", *(f"eps {epsilon:.3g}" for epsilon in first.epsilons)],
        [[title, *(f"{value:.3f}" for value in curve.accuracies)] for title, curve in curves.items()],
        f"{first.protocol}; {first.count} test images, one standard error at most {error:.3f}. "
        "Gradient attacks alone give an upper bound of robust accuracy.",
    )
    page.curves(
        {title: Curve(curve.epsilons, curve.accuracies, curve.standard_errors) for title, curve in curves.items()},
        "eps",
        "accuracy",
        "Accuracy under attack against its radius; bands are one standard error.",
    )
    shown = sample.take(len(finished[0].attacked))
    page.heading("Maps before and after the attack")
    page.text(
        f"Each image clean and attacked at eps {arguments.epsilon:g}, with the map of its class on both. Red speaks for the class, blue "
        "against it; the two maps share their colours."
    )
    page.gallery(
        [
            entry
            for trained in finished
            for entry in map_gallery(trained.objective.title, trained.network, shown, trained.attacked)
        ]
    )
    for trained in finished:
        title = trained.objective.title
        figure = class_maps_figure(trained.network, shown, trained.attacked)
        pictures[f"cam_{trained.objective.tag}"] = figure
        page.heading(f"Class activation maps of {title}")
        page.figure(
            figure,
            f"{title}: each image clean and attacked at eps {arguments.epsilon:g}, and on both the maps of its class and of "
            "the strongest other class. Red speaks for the class, blue against it; a row shares its colours.",
        )
        if trained.objective.tag == "adv":
            continue
        for name, picture in add_attributions(page, title, trained.network, shown).items():
            pictures[f"{name}_{trained.objective.tag}"] = picture
    for name, figure in pictures.items():
        with replacing(arguments.out / f"{name}.png") as temporary:
            figure.savefig(temporary, dpi=130)
    page.heading("How this was made")
    made = {name: value for name, value in record.items() if name != "results"}
    page.details("arguments, versions, commit", json.dumps(made, indent=2))
    page.write(arguments.out / "report.html")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo from the command line."""
    return run(parser(), demo, arguments)


if __name__ == "__main__":
    sys.exit(main())
