"""The tables of the networks of a directory, from their metadata alone."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from interp.core.errors import InputError
from interp.core.files import visible_files
from interp.core.json_fields import Count, Number, Share, read_fields
from interp.core.network_name import NetworkName, parse_name
from interp.core.tables import NOTHING, markdown_table, radius_text
from interp.models.weight_file import weight_metadata
from results_pages.cells import with_error
from results_pages.evidence import Sources


@dataclass(frozen=True)
class Schedule:
    """The schedule; steps are optimiser steps from 0."""

    epsilon: float
    epochs: Number
    batch_size: Count
    learning_rates: tuple[tuple[Number, float], ...]
    ramp: tuple[Number, Number]
    attack_steps: Number
    attack_step_size: float
    norm: str = "linf"
    rate_shape: str = "steps"
    attack_precision: str = "float32"


@dataclass(frozen=True)
class Arguments:
    """The command line of train.py; what is as it is here is not repeated."""

    number: Number
    profile: str
    only: tuple[str, ...] | None = None
    epochs: int | None = None
    seed: int = 99
    dataset: str | None = None
    norm: str = "linf"
    attack_precision: str = "float32"
    explanation: str | None = None
    softplus: float | None = None
    penalty_weight: float | None = None
    distance_weight: float | None = None
    cross_entropy_attack: bool = False
    keep: str | None = None
    patience: int | None = None
    average: float | None = None

    def line(self) -> str:
        """The command line that trained the network."""
        parts = [f"train.py {self.number} --profile {self.profile}"]
        parts += ["--only", *self.only] if self.only else []
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name not in ("number", "profile", "only") and value != each.default:
                shown = int(value) if isinstance(value, float) and value.is_integer() else value
                # What is asked for by its name alone has no value.
                parts.append(f"--{each.name.replace('_', '-')}{'' if value is True else f' {shown}'}")
        return " ".join(parts)


@dataclass(frozen=True)
class Run:
    """The run of train.py."""

    arguments: Arguments
    versions: Mapping[str, str | None] = field(default_factory=dict)
    commit: str | None = None


@dataclass(frozen=True)
class Images:
    """How many images each figure is of."""

    clean: Count
    reference: Count
    strong: Count


@dataclass(frozen=True)
class Measured:
    """Accuracies at the radius `epsilon`; `plain` is `reference` on the images of `strong`."""

    clean: Share
    reference: Share
    plain: Share
    strong: Share
    epsilon: float
    images: Images
    flags: tuple[str, ...]
    protocols: Mapping[str, str]


@dataclass(frozen=True)
class Trained:
    """What train.py writes into a network, and what `--stamp` adds."""

    method: str
    architecture: str
    image_shape: tuple[Count, Count, Count]
    classes: Count
    seconds: float
    seed: Number
    data: str
    schedule: Schedule
    run: Run
    penalty_weight: float = 0.0
    distance_weight: float | None = None
    inner_attack: str | None = None
    augment: bool = False
    explanation: str | None = None
    start: str | None = None
    keep: str = "last"
    patience: int | None = None
    average: float | None = None
    measured: Measured | None = None
    accuracy_per_class: Mapping[str, Share] | None = None


def networks(sources: Sources) -> list[str]:
    """All networks with their accuracies and how they were made. Raises InputError for one that was not measured."""
    rows, data = [], {}
    for path in network_files(sources):
        name, description = trained(path)
        measured = description.measured
        if measured is None:
            raise InputError(f"{path} was not measured: run eval.py on it, then python tools/results_pages --stamp")
        data[name.dataset] = description.data
        images = measured.images
        cells = (
            f"[`{path.stem}`](cards/{path.stem}.md)",
            with_error(measured.clean, images.clean),
            with_error(measured.reference, images.reference),
            # Both on the same images, which may be fewer.
            f"{measured.plain:.3f} -> {with_error(measured.strong, images.strong)}",
            radius_text(measured.epsilon),
            f"{images.reference}, {images.strong}",
            str(description.seed),
            f"{description.seconds / 60:.1f}",
            f"`{description.run.arguments.line()}`",
        )
        rows.append(cells)
    accuracies = ("clean", "reference", "reference -> strong")
    header = ("network", *accuracies, "eps", "test images", "seed", "minutes", "command")
    told = "; ".join(f"{dataset}: {source}" for dataset, source in data.items())
    return [*markdown_table(header, rows), "", f"<small>{told}</small>"]


def times(sources: Sources) -> list[str]:
    """Training times by method and its variant, a column each dataset and architecture: minutes, and seconds an epoch.

    Of a network that goes on from another one it says of which epochs they are: "3.0 (30 s) of epochs 4 to 9". Networks that differ in
    epochs alone share a cell, which says that of each.
    """
    found: dict[str, dict[tuple[int, str, str], list[tuple[int, int, str]]]] = {}
    for path in network_files(sources):
        name, description = trained(path)
        # Those in its name count the ones of the network that it started with, too.
        epochs = description.schedule.epochs
        cell = f"{description.seconds / 60:.1f} ({description.seconds / max(epochs, 1):.0f} s)"
        method = name.order, name.variant, name.full_title
        column = found.setdefault(f"{name.dataset} {name.architecture}", {})
        column.setdefault(method, []).append((name.epochs, name.epochs - epochs + 1, cell))
    methods = sorted({method for columns in found.values() for method in columns})
    rows = [(method[-1], *(_times_of(columns.get(method, [])) for columns in found.values())) for method in methods]
    return markdown_table(("method", *found), rows)


def _times_of(cells: list[tuple[int, int, str]]) -> str:
    """Of networks by their last and first epoch: the time, and of which epochs it is, where these are not all."""
    if [first for _, first, _ in cells] == [1]:
        return cells[0][-1]
    return "; ".join(f"{cell} of epochs {first} to {last}" for last, first, cell in sorted(cells)) or NOTHING


def classes(sources: Sources, architecture: str) -> list[str]:
    """Accuracy on all test images and on those of each class, a network of the architecture a column."""
    found, told = {}, []
    for path in network_files(sources):
        name, description = trained(path)
        if name.architecture != architecture:
            continue
        shares = description.accuracy_per_class
        if not shares or "all" not in shares:
            raise InputError(f"{path} does not say its accuracy on all images and on each class: train it again")
        told.append(f"{path.stem}: {description.data}")
        # Each dataset has its own classes.
        cells = [f"{label} {share:.3f}" for label, share in shares.items() if label != "all"]
        found[f"`{path.stem}`"] = [f"{shares['all']:.4f}", *cells]
    if not found:
        raise InputError(
            f"no network of {architecture} in {sources.networks_dir}: train one, or take the mark from the page"
        )
    rows = itertools.zip_longest(*found.values(), fillvalue=NOTHING)
    body = [("all" if number == 0 else f"class {number - 1}", *cells) for number, cells in enumerate(rows)]
    return [*markdown_table(("images", *found), body), "", f"<small>all test images; {'; '.join(told)}</small>"]


def trained(path: Path) -> tuple[NetworkName, Trained]:
    """The name and the metadata of a network of `train.py`. Raises InputError for one of elsewhere, or of another name."""
    name, metadata = parse_name(path.stem), weight_metadata(path)
    if name is None:
        raise InputError(f"{path} is no network of train.py by its name: keep it in another directory")
    try:
        return name, read_fields(Trained, metadata, "it")
    except InputError as error:
        raise InputError(
            f"{path} is no network of train.py, by its metadata {error}: keep it in another directory"
        ) from error


def network_files(sources: Sources) -> list[Path]:
    """The weight files of this package, by name."""
    return visible_files(sources.networks_dir, ".safetensors")
