"""The tables of the networks of a folder, from their metadata alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interp.commands.network_name import NetworkName, parse_name
from interp.commands.record_format import TRAINED, field
from interp.commands.results.evidence import Sources
from interp.core.errors import InputError
from interp.core.files import visible_files
from interp.models.weight_file import weight_metadata
from interp.report.markdown import markdown_table
from interp.report.table import NOTHING
from interp.training.objectives import OBJECTIVES

# Options of train.py that a command line names where they are not the usual ones.
OPTIONS = {"epochs": None, "seed": 99, "dataset": None, "attack_precision": "float32"}


def networks(sources: Sources) -> list[str]:
    """All networks with their accuracies and how they were made. Raises InputError for one that was not measured."""
    rows, data = [], {}
    for path in network_files(sources):
        name, metadata = trained(path)
        measured = metadata.get("measured")
        if measured is None:
            raise InputError(f"{path} was not measured: run eval.py on it, then `make results`")
        data[name.dataset] = metadata["data"]
        rows.append(
            (
                f"`{path.stem}`",
                *(_spread(measured[under], measured["images"][under]) for under in ("clean", "reference")),
                # Both on the same images, which may be fewer.
                f"{measured['plain']:.3f} -> {_spread(measured['strong'], measured['images']['strong'])}",
                radius_text(measured["epsilon"]),
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
        name, metadata = trained(path)
        cell = f"{metadata['seconds'] / 60:.1f} ({metadata['seconds'] / name.epochs:.0f} s)"
        found.setdefault(f"{name.dataset} {name.architecture}", {})[name.tag] = cell
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
        name, metadata = trained(path)
        if name.architecture != architecture:
            continue
        shares = field(metadata, "accuracy_per_class", path.stem)
        told[path.stem] = f"{path.stem}: {metadata['data']}"
        names = [label for label in shares if label != "all"]
        # Each dataset has its own classes.
        rows.append(
            (
                f"`{path.stem}`",
                f"{field(shares, 'all', path.stem):.4f}",
                *(f"{label} {shares[label]:.3f}" for label in names),
            )
        )
        header = ("network", "all", *(f"class {number}" for number in range(len(names))))
    if not rows:
        raise InputError(
            f"no network of {architecture} in {sources.networks_dir}: train one, or take the mark from the page"
        )
    return [*markdown_table(header, rows), "", f"<small>all test images; {'; '.join(told.values())}</small>"]


def trained(path: Path) -> tuple[NetworkName, dict[str, Any]]:
    """The name and the metadata of a network of `train.py`. Raises InputError for one of elsewhere, or of another name."""
    name, metadata = parse_name(path.stem), weight_metadata(path)
    if name is None:
        raise InputError(f"{path} is no network of train.py by its name: keep it in another folder")
    try:
        TRAINED(metadata, "")
    except ValueError as error:
        raise InputError(
            f"{path} is no network of train.py, by its metadata {error}: keep it in another folder"
        ) from error
    return name, metadata


def network_files(sources: Sources) -> list[Path]:
    """The files of this project's own kind, by name."""
    return visible_files(sources.networks_dir, ".safetensors")


def _command(arguments: Mapping[str, Any]) -> str:
    """The command line that trained a network."""
    words = [f"train.py {arguments['number']} --profile {arguments['profile']}"]
    words += ["--only", *arguments["only"]] if arguments["only"] else []
    for name, usual in OPTIONS.items():
        if arguments.get(name, usual) != usual:
            words.append(f"--{name.replace('_', '-')} {arguments[name]}")
    return " ".join(words)


def radius_text(epsilon: float) -> str:
    """A radius as people write it: those of colour images over 255."""
    level = 255 * epsilon
    return f"{round(level)}/255" if 0 < epsilon < 0.05 and abs(level - round(level)) < 1e-6 else f"{epsilon:g}"


def _spread(value: float, count: int) -> str:
    return f"{value:.3f} ± {(value * (1 - value) / count) ** 0.5:.3f}"
