"""From data to a report in a few minutes: `python -m interp.demo` trains, attacks and explains three small networks."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.command_line import Parser, number, run, whole_number

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from interp.data import Dataset
    from interp.models import Network
    from interp.training import Schedule

METHODS = ("normal", "adv", "int")
SHOWN_IMAGES = 5
# Twice the paper's: a short training on a small set needs the stronger pull.
PENALTY = 0.02
EPSILON_FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


def parser() -> argparse.ArgumentParser:
    """The command line of the demo."""
    parser = Parser(prog="python -m interp.demo", description=__doc__)
    parser.add_argument("--dataset", default="digits", help="digits comes with scikit-learn; mnist needs its files")
    parser.add_argument("--data-dir", type=Path, help="folder of datasets; INTERP_DATA_DIR without it")
    parser.add_argument("--epochs", type=whole_number(1), default=40, help="epochs of each training")
    parser.add_argument(
        "--epsilon", type=number(above=0), default=0.1, help="largest change of a pixel, for training and attack"
    )
    parser.add_argument("--num-image", type=whole_number(1), default=200, help="test images that are attacked")
    parser.add_argument("--seed", type=whole_number(0), default=99, help="seed of weights, order, attacks and sample")
    parser.add_argument("--out", type=Path, default=Path("gen_images/demo"), help="folder of the report")
    return parser


def demo(arguments: argparse.Namespace) -> int:
    """Train, evaluate, draw and write; return the exit code."""
    from interp import data, models, training
    from interp.attacks import ProjectedGradientDescent
    from interp.core.files import write_json
    from interp.core.provenance import describe_run
    from interp.evaluation import accuracy_curve, sample_images

    began = time.monotonic()
    splits = {
        split: data.load(arguments.dataset, split, data_dir=arguments.data_dir, seed=arguments.seed)
        for split in data.SPLITS
    }
    sample, _ = sample_images(splits["test"], arguments.num_image, seed=arguments.seed)
    write_json(
        arguments.out / "arguments.json", describe_run(vars(arguments))
    )  # an unwritable folder shows now, not after training
    schedule = _schedule(len(splits["train"]), arguments.epochs, arguments.epsilon)
    attack = ProjectedGradientDescent(
        epsilon=arguments.epsilon,
        step_size=arguments.epsilon / 10,
        steps=40,
        random_start=True,
        restarts=2,
        iterate="worst",
    )
    epsilons = [factor * arguments.epsilon for factor in EPSILON_FACTORS]
    print(f"{arguments.dataset}: {len(splits['train'])} training images, {splits['test'].source}")
    curves, figures, results = {}, {}, {}
    for place, method in enumerate(METHODS, 1):
        objective = training.find_objective(method)
        label = f"[{place}/{len(METHODS)}] training {objective.title}"
        network = models.build_network(
            "small", splits["train"].image_shape, splits["train"].classes, seed=arguments.seed
        )
        started = time.monotonic()
        with _progress_bar(label, len(splits["train"]) // schedule.batch_size * schedule.epochs) as report:
            history = training.train(
                network,
                objective,
                schedule,
                splits["train"],
                validation=splits["validation"],
                seed=arguments.seed,
                penalty=PENALTY,
                report=report,
            )
        seconds = time.monotonic() - started
        curve = accuracy_curve(network, sample.images, sample.labels, attack, epsilons, seed=arguments.seed)
        robust = dict(zip(curve.epsilons, curve.accuracies, strict=True))[arguments.epsilon]
        print(f"      clean accuracy {curve.accuracies[0]:.3f}, under PGD at eps {arguments.epsilon:g} {robust:.3f}")
        results[method] = {
            "epsilons": curve.epsilons,
            "accuracies": curve.accuracies,
            "standard_errors": curve.standard_errors,
            "protocol": curve.protocol,
            "training_seconds": round(seconds, 1),
            "history": history,
        }
        metadata = {
            "dataset": arguments.dataset,
            **training.describe(objective, schedule, arguments.seed, PENALTY),
            "accuracy": results[method],
        }
        models.save_model(
            network, arguments.out / f"{arguments.dataset}_smallgap_{method}_{schedule.epochs}.safetensors", metadata
        )
        curves[objective.title] = curve
        adversarial = attack(network, sample.images[:SHOWN_IMAGES], sample.labels[:SHOWN_IMAGES], seed=arguments.seed)
        figures[objective.title] = _maps(network, sample.take(SHOWN_IMAGES), adversarial)
    record = {
        **describe_run(vars(arguments)),
        "data": splits["test"].source,
        "num_image": len(sample),
        "results": results,
    }
    write_json(arguments.out / "results.json", record)
    _write_report(arguments, record, curves, figures)
    (arguments.out / "arguments.json").unlink()
    print(f"wrote {arguments.out / 'report.html'} after {time.monotonic() - began:.0f} s: open it in a browser")
    return 0


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


class _progress_bar:
    """A terminal bar with loss, accuracies and time left; used in a with statement it gives the trainer's report function."""

    def __init__(self, label: str, total: int) -> None:
        from tqdm import tqdm

        self.bar = tqdm(total=total, desc=label, unit="step", file=sys.stdout, dynamic_ncols=True, mininterval=0.5)

    def __enter__(self) -> Callable[[Any], None]:
        def report(progress: Any) -> None:
            shown = {"loss": "loss", "accuracy": "clean", "robust_accuracy": "attacked"}
            self.bar.set_postfix(
                {shown[name]: f"{value:.2f}" for name, value in progress.measures.items() if name in shown},
                refresh=False,
            )
            self.bar.update(progress.step - self.bar.n)

        return report

    def __exit__(self, *_: object) -> None:
        self.bar.close()


def _maps(network: "Network", sample: "Dataset", adversarial: "np.ndarray") -> "Figure":
    """A row an image: clean and attacked image, and the maps of the true class and of the strongest other class on each."""
    import numpy as np

    from interp.report import maps_figure

    clean_maps, attacked_maps = network.cam(sample.images).numpy(), network.cam(adversarial).numpy()
    others = network(adversarial).numpy()
    predicted = others.argmax(-1)
    others[np.arange(len(others)), sample.labels] = -np.inf
    rows = []
    for index, (label, target) in enumerate(zip(sample.labels, others.argmax(-1), strict=True)):
        image, attacked = sample.images[index], adversarial[index]
        rows.append(
            [
                (f"image: {sample.class_names[label]}", image, None),
                (f"attacked: seen as {sample.class_names[predicted[index]]}", attacked, None),
                (f"CAM of {sample.class_names[label]}", image, clean_maps[index, ..., label]),
                ("the same, attacked", attacked, attacked_maps[index, ..., label]),
                (f"CAM of {sample.class_names[target]}", image, clean_maps[index, ..., target]),
                ("the same, attacked", attacked, attacked_maps[index, ..., target]),
            ]
        )
    return maps_figure(rows)


def _write_report(
    arguments: argparse.Namespace, record: dict[str, Any], curves: dict[str, Any], figures: dict[str, Any]
) -> None:
    from interp.core.files import replacing
    from interp.report import Page, accuracy_figure

    page = Page("interp: predictions and explanations under attack")
    page.text(
        f"Three networks of the architecture small, trained on {arguments.dataset} ({record['data']}): Normal sees clean images only, "
        f"Adv trains on attacked ones (Madry et al. 2018), Int keeps its class activation maps where they are under attack "
        f"(Boopathy et al. 2020). Both train against changes of at most {arguments.epsilon:g} per pixel."
    )
    any_curve = next(iter(curves.values()))
    page.heading("Accuracy under attack")
    page.table(
        ["network", *(f"eps {epsilon:.3g}" for epsilon in any_curve.epsilons)],
        [[title, *(f"{value:.3f}" for value in curve.accuracies)] for title, curve in curves.items()],
        f"{any_curve.protocol}; {any_curve.count} test images, one standard error at most {max(max(c.standard_errors) for c in curves.values()):.3f}. "
        "Gradient attacks alone give an upper bound of robust accuracy.",
    )
    accuracy = accuracy_figure(curves, training_epsilon=arguments.epsilon)
    page.figure(accuracy, "Accuracy under attack against its radius, with one standard error.")
    pictures = {"accuracy": accuracy, **{f"cam_{title.lower()}": figure for title, figure in figures.items()}}
    for title, figure in figures.items():
        page.heading(f"Class activation maps of {title}")
        page.figure(
            figure,
            f"{title}: each image clean and attacked at eps {arguments.epsilon:g}, and the maps of its class and of the strongest other "
            "class on both. Red speaks for the class, blue against it; a row shares its colours.",
        )
    for name, figure in pictures.items():
        with replacing(arguments.out / f"{name}.png") as temporary:
            figure.savefig(temporary, dpi=130)
    page.heading("How this was made")
    page.details(
        "arguments, versions, commit", json.dumps({k: v for k, v in record.items() if k != "results"}, indent=2)
    )
    page.write(arguments.out / "report.html")


if __name__ == "__main__":
    sys.exit(run(parser(), demo))
