"""The tables of the networks of a directory, from their metadata alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from interp.core.errors import InputError
from interp.core.files import visible_files
from interp.core.json_fields import Count, Number, Share, read_fields
from interp.core.names import OBJECTIVE_TITLES
from interp.core.network_name import NetworkName, parse_name
from interp.core.tables import NOTHING, markdown_table
from interp.models.weight_file import weight_metadata
from results_pages.evidence import Sources


@dataclass(frozen=True)
class Schedule:
    """The part of the schedule that pages need."""

    epsilon: float


@dataclass(frozen=True)
class Arguments:
    """The command line of train.py; what is as it is here is not repeated."""

    number: Number
    profile: str
    only: tuple[str, ...] | None = None
    epochs: int | None = None
    seed: int = 99
    dataset: str | None = None
    attack_precision: str = "float32"

    def line(self) -> str:
        """The command line that trained the network."""
        words = [f"train.py {self.number} --profile {self.profile}"]
        words += ["--only", *self.only] if self.only else []
        for name in ("epochs", "seed", "dataset", "attack_precision"):
            value = getattr(self, name)
            if value != getattr(Arguments, name):
                words.append(f"--{name.replace('_', '-')} {value}")
        return " ".join(words)


@dataclass(frozen=True)
class Run:
    """The run of train.py."""

    arguments: Arguments


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


@dataclass(frozen=True)
class Trained:
    """What train.py writes into a network, and what `--stamp` adds."""

    seconds: float
    seed: Number
    data: str
    schedule: Schedule
    run: Run
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
            f"`{path.stem}`",
            _with_error(measured.clean, images.clean),
            _with_error(measured.reference, images.reference),
            # Both on the same images, which may be fewer.
            f"{measured.plain:.3f} -> {_with_error(measured.strong, images.strong)}",
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
    """Training times by method, a column each dataset and architecture: minutes, and seconds an epoch."""
    found: dict[str, dict[str, str]] = {}
    for path in network_files(sources):
        name, description = trained(path)
        cell = f"{description.seconds / 60:.1f} ({description.seconds / max(name.epochs, 1):.0f} s)"
        found.setdefault(f"{name.dataset} {name.architecture}", {})[name.tag] = cell
    rows = [
        (title, *(cells.get(tag, NOTHING) for cells in found.values()))
        for tag, title in OBJECTIVE_TITLES.items()
        if any(tag in cells for cells in found.values())
    ]
    return markdown_table(("method", *found), rows)


def classes(sources: Sources, architecture: str) -> list[str]:
    """Accuracy on the test images of each class, a network of the architecture a row."""
    rows, told, most = [], [], 0
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
        rows.append((f"`{path.stem}`", f"{shares['all']:.4f}", *cells))
        most = max(most, len(cells))
    if not rows:
        raise InputError(
            f"no network of {architecture} in {sources.networks_dir}: train one, or take the mark from the page"
        )
    header = ("network", "all", *(f"class {number}" for number in range(most)))
    return [*markdown_table(header, rows), "", f"<small>all test images; {'; '.join(told)}</small>"]


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


def radius_text(epsilon: float) -> str:
    """A radius as people write it: those of colour images over 255."""
    level = 255 * epsilon
    return f"{round(level)}/255" if 0 < epsilon < 0.05 and abs(level - round(level)) < 1e-6 else f"{epsilon:g}"


def _with_error(share: float, count: int) -> str:
    """A share of `count` images with its standard error."""
    return f"{share:.3f} ± {(share * (1 - share) / count) ** 0.5:.3f}"
