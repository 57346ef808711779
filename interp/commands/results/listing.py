"""What the networks of a folder are worth: measured figures put into their files, and the table of networks/README.md."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interp import models
from interp.commands.experiments.results import fingerprint, read_all
from interp.commands.results.evidence import Sources
from interp.commands.tasks.listing import EPSILONS
from interp.core.errors import InputError
from interp.models.weight_file import weight_metadata
from interp.report.markdown import markdown_table
from interp.report.table import NOTHING
from interp.training.objectives import OBJECTIVES

# Radii at which a network that was trained without any is told.
USUAL_RADIUS = {"mnist": 0.3, "cifar": 8 / 255}


def stamp_networks(sources: Sources) -> list[str]:
    """Put what the records of pgd and validity say of each network into its metadata, as `measured`; return the changed names.

    Raises InputError where a record is missing or is of other weights.
    """
    changed = []
    for path in network_files(sources):
        network = models.load_model(path)
        measured = _measured(path, network.metadata, _record(sources, "pgd", path), _record(sources, "validity", path))
        if network.metadata.get("measured") != measured:
            models.save_model(network, path, {"measured": measured})
            changed.append(path.stem)
    return changed


def networks(sources: Sources) -> list[str]:
    """All networks with their accuracies and how they were made. Raises InputError for one that was not measured."""
    rows, data = [], {}
    for path in network_files(sources):
        metadata = weight_metadata(path)
        measured = metadata.get("measured")
        if measured is None:
            raise InputError(f"{path} was not measured: run eval.py on it, then `make results`")
        data[path.stem.split("_")[0]] = metadata["data"]
        rows.append(
            (
                f"`{path.stem}`",
                *(_spread(measured[name], measured["images"][name]) for name in ("clean", "reference")),
                # Both on the same images, which may be fewer.
                f"{measured['plain']:.3f} -> {_spread(measured['strong'], measured['images']['strong'])}",
                _radius(measured["epsilon"]),
                "{reference}, {strong}".format(**measured["images"]),
                str(metadata["seed"]),
                f"{metadata['seconds'] / 60:.1f}",
                f"`{_command(metadata['run']['arguments'])}`",
            )
        )
    header = (
        "network",
        "clean",
        "reference",
        "reference -> strong",
        "eps",
        "test images",
        "seed",
        "minutes",
        "command",
    )
    told = "; ".join(f"{dataset}: {source}" for dataset, source in data.items())
    return [*markdown_table(header, rows), "", f"<small>{told}</small>"]


def times(sources: Sources) -> list[str]:
    """Training times by method, a column each dataset and architecture: minutes, and seconds an epoch."""
    found: dict[str, dict[str, str]] = {}
    for path in network_files(sources):
        dataset, architecture, objective, epochs = path.stem.split("_")
        seconds = weight_metadata(path)["seconds"]
        cell = f"{seconds / 60:.1f} ({seconds / int(epochs):.0f} s)"
        found.setdefault(f"{dataset} {architecture}", {})[objective] = cell
    rows = [
        (objective.title, *(cells.get(tag, NOTHING) for cells in found.values()))
        for tag, objective in OBJECTIVES.items()
        if any(tag in cells for cells in found.values())
    ]
    return markdown_table(("method", *found), rows)


def classes(sources: Sources, architecture: str) -> list[str]:
    """Accuracy on the test images of each class, a network of the architecture a row."""
    rows = []
    header: tuple[str, ...] = ()
    told = {}
    for path in network_files(sources):
        metadata = weight_metadata(path)
        if path.stem.split("_")[1] != architecture:
            continue
        shares = metadata["accuracy_per_class"]
        told[path.stem] = f"{path.stem}: {metadata['data']}"
        names = [name for name in shares if name != "all"]
        # Each dataset has its own classes.
        rows.append((f"`{path.stem}`", f"{shares['all']:.4f}", *(f"{name} {shares[name]:.3f}" for name in names)))
        header = ("network", "all", *(f"class {number}" for number in range(len(names))))
    if not rows:
        raise InputError(
            f"no network of {architecture} in {sources.networks_dir}: train one, or take the mark from the page"
        )
    return [*markdown_table(header, rows), "", f"<small>all test images; {'; '.join(told.values())}</small>"]


def network_files(sources: Sources) -> list[Path]:
    """The files of this project's own kind, by name."""
    return sorted(sources.networks_dir.glob("*.safetensors"))


def _record(sources: Sources, section: str, path: Path) -> dict[str, Any]:
    for folder in sources.records:
        record = read_all(folder, section).get(path.stem)
        if record is not None and record["files"].get(path.name) == fingerprint(path):
            return record
    raise InputError(f"no record of {section} of the weights in {path}: run eval.py 1 --only {section} on it")


def _measured(path: Path, metadata: Mapping[str, Any], pgd: dict[str, Any], validity: dict[str, Any]) -> dict[str, Any]:
    """Clean accuracy and that under both protocols at the radius of the training, and which images are right, by the record of pgd.

    `plain` is the reference protocol on the images of the strong one.
    """
    dataset = path.stem.split("_")[0]
    epsilon = metadata["schedule"]["epsilon"] or USUAL_RADIUS[dataset]
    header = pgd["header"]
    last = [row for row in pgd["rows"] if row[0] == pgd["rows"][-1][0]]
    radii = [row[header.index("eps")] for row in last]
    if epsilon not in radii or 0.0 not in radii:
        raise InputError(
            f"the record of pgd of {path.stem} has no eps {epsilon:g}: {EPSILONS[dataset]} are the usual ones"
        )
    at = {eps: row[header.index("accuracy")] for eps, row in zip(radii, last, strict=True)}
    names = validity["header"]
    [strong] = [dict(zip(names, row, strict=True)) for row in validity["rows"] if row[names.index("eps")] == epsilon]
    return {
        "images": {"clean": pgd["images"], "reference": pgd["images"], "strong": validity["images"]},
        "sample": {"seed": pgd["arguments"]["seed"], "data": pgd["data"]},
        "epsilon": epsilon,
        "clean": at[0.0],
        "reference": at[epsilon],
        "plain": strong["PGD"],
        "strong": strong["worst case"],
        "flags": [flag["kind"] for flag in validity["flags"] if flag.get("eps", epsilon) == epsilon],
        "protocols": {"reference": pgd["protocol"], "strong": validity["protocol"]},
        "right": {"clean": pgd["right"][radii.index(0.0)], "reference": pgd["right"][radii.index(epsilon)]},
    }


def _command(arguments: Mapping[str, Any]) -> str:
    """The command line that trained a network."""
    only = " ".join(arguments["only"] or ())
    return f"train.py {arguments['number']} --profile {arguments['profile']}" + (f" --only {only}" if only else "")


def _radius(epsilon: float) -> str:
    level = 255 * epsilon
    return f"{round(level)}/255" if epsilon < 0.05 and abs(level - round(level)) < 1e-6 else f"{epsilon:g}"


def _spread(value: float, count: int) -> str:
    return f"{value:.3f} ± {(value * (1 - value) / count) ** 0.5:.3f}"
