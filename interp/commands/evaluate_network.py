"""Evaluate one network: accuracy under attack, and what its class activation maps look like then."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.commands.command_line import Parser, number, numbers, run, whole_number

if TYPE_CHECKING:
    from interp.data import Dataset
    from interp.models import Network

# Radii of the paper's tables.
EPSILONS = {
    "digits": (0.0, 0.05, 0.1, 0.15),
    "mnist": (0.0, 0.05, 0.1, 0.2, 0.3, 0.35, 0.4),
    "cifar": tuple(level / 255 for level in (0, 2, 4, 6, 8, 9, 10)),
    "cifar10": tuple(level / 255 for level in (0, 2, 4, 6, 8, 9, 10)),
    "restimagenet": (0.0, 0.001, 0.002, 0.003, 0.004),
}


def parser() -> argparse.ArgumentParser:
    """The command line of `eval_cmd.py`."""
    parser = Parser(prog="eval_cmd.py", description=__doc__)
    tasks = "; ".join(f"{name}: {task.help}" for name, task in TASKS.items())
    parser.add_argument("--task", required=True, choices=TASKS, metavar="TASK", help=tasks)
    parser.add_argument("--dataset", required=True, help="digits, mnist, cifar10 or restimagenet")
    parser.add_argument(
        "--network", required=True, help="a name under networks/, or the path of a .safetensors or .pkl file"
    )
    parser.add_argument(
        "--num_image", type=whole_number(1), help="test images; 200 for figures and 8 for pictures without it"
    )
    parser.add_argument("--epsilons", type=numbers, help="radii, separated by commas; those of the paper without it")
    parser.add_argument("--steps", type=whole_number(1), default=200, help="steps of the attack")
    parser.add_argument("--step_size", type=number(above=0), default=0.01, help="size of a step")
    parser.add_argument(
        "--restarts", type=whole_number(0), default=0, help="random starts; 0 starts at the image, as the paper did"
    )
    parser.add_argument("--seed", type=whole_number(0), default=99, help="seed of the sample and of random starts")
    parser.add_argument("--data_dir", type=Path, help="folder of datasets; INTERP_DATA_DIR without it")
    parser.add_argument(
        "--output_dir", type=Path, default=Path("gen_images/eval_cmd"), help="folder of results and pictures"
    )
    return parser


def pgd_attack(arguments: argparse.Namespace, network: "Network", sample: "Dataset") -> dict[str, Any]:
    """Print and return accuracies under PGD, a radius a row."""
    from interp.attacks import ProjectedGradientDescent
    from interp.evaluation import accuracy_curve

    epsilons = arguments.epsilons or EPSILONS[arguments.dataset]
    attack = _attack(arguments, ProjectedGradientDescent, max(epsilons))
    curve = accuracy_curve(
        network, sample.images, sample.labels, attack, epsilons, carry=arguments.restarts > 0, seed=arguments.seed
    )
    print(f"{arguments.network}, {curve.count} images of {sample.source}\n{curve.protocol}")
    print("eps\taccuracy\tstandard error")
    for epsilon, value, error in zip(curve.epsilons, curve.accuracies, curve.standard_errors, strict=True):
        print(f"{epsilon:.4g}\t{value:.4f}\t{error:.4f}")
    return {"protocol": curve.protocol, "epsilons": curve.epsilons, "accuracies": curve.accuracies}


def vis_cam(arguments: argparse.Namespace, network: "Network", sample: "Dataset") -> dict[str, Any]:
    """Draw class activation maps of clean and attacked images; return where the picture is."""
    from interp.attacks import ProjectedGradientDescent
    from interp.core.files import replacing
    from interp.report import class_maps_figure

    attack = _attack(arguments, ProjectedGradientDescent, max(arguments.epsilons or EPSILONS[arguments.dataset]))
    attacked = attack(network, sample.images, sample.labels, seed=arguments.seed)
    figure = class_maps_figure(network, sample, attacked)
    picture = arguments.output_dir / f"vis_cam_{network_stem(arguments)}.png"
    with replacing(picture) as temporary:
        figure.savefig(temporary, dpi=130)
    print(f"wrote {picture}: maps on images attacked within eps {attack.epsilon:g}")
    return {"picture": str(picture), "epsilon": attack.epsilon}


@dataclass(frozen=True)
class Task:
    """What `--task` may name."""

    run: "Callable[[argparse.Namespace, Network, Dataset], dict[str, Any]]"
    images: int
    help: str


TASKS = {
    "pgd_attack": Task(pgd_attack, 200, "accuracy under PGD for several radii"),
    "vis_cam": Task(vis_cam, 8, "picture of class activation maps, clean and attacked"),
}


def network_stem(arguments: argparse.Namespace) -> str:
    """The network's name without folder and suffix, for the names of results."""
    return Path(arguments.network).name.removesuffix(".pkl").removesuffix(".safetensors")


def _attack(arguments: argparse.Namespace, kind: Any, epsilon: float) -> Any:
    return kind(
        epsilon=epsilon,
        step_size=arguments.step_size,
        steps=arguments.steps,
        random_start=arguments.restarts > 0,
        restarts=max(arguments.restarts, 1),
    )


def evaluate(arguments: argparse.Namespace) -> int:
    """Load, run the task, keep its record; return the exit code."""
    from interp import data, models
    from interp.core.errors import InputError
    from interp.core.files import check_writable, write_json
    from interp.core.provenance import describe_run
    from interp.evaluation import sample_images

    test = data.load(arguments.dataset, "test", data_dir=arguments.data_dir)
    network = models.load_model(arguments.network)
    if network.image_shape != test.image_shape or network.classes != test.classes:
        raise InputError(
            f"{arguments.network} takes {network.classes} classes of images {network.image_shape}, {arguments.dataset} has "
            f"{test.classes} of {test.image_shape}: choose the dataset it was trained on"
        )
    task = TASKS[arguments.task]
    sample, _ = sample_images(test, arguments.num_image or task.images, seed=arguments.seed)
    check_writable(arguments.output_dir)
    result = task.run(arguments, network, sample)
    record = {**describe_run(vars(arguments)), "data": test.source, "network": dict(network.metadata), "result": result}
    write_json(arguments.output_dir / f"{arguments.task}_{arguments.dataset}_{network_stem(arguments)}.json", record)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `eval_cmd.py` from the command line."""
    return run(parser(), evaluate, arguments)
