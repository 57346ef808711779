"""What a row of the leaderboard says of a network: what it is, and who trained it how."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interp.core.json_fields import read_fields
from interp.core.json_values import parse_json
from interp.core.names import OBJECTIVE_TITLES
from interp.core.network_files import NetworkFile
from interp.core.network_name import parse_name
from interp.core.tables import NOTHING
from interp.data import find_dataset
from interp.evaluation.opened_network import OpenedNetwork
from interp.models import Network

# Who trained a network, as its file says it.
HERE, PUBLISHED, GIVEN = "here", "published", "given"


@dataclass(frozen=True)
class NetworkFacts:
    """Which network a row of the leaderboard is of.

    Attributes:
        name: Name of the network.
        method: Title of its training method, "-" where nothing says it.
        architecture: Its architecture; of a model that is not of this package its class and number of weights.
        dataset: Name of the dataset.
        trained_by: "here" for networks of train.py, "published" for those of the paper, "given" for all others, or what the user said.
        file: Name of its file.
        minutes: Minutes that its training took, without that of a network it started with; None where they are not known.
    """

    name: str
    method: str
    architecture: str
    dataset: str
    trained_by: str
    file: str
    minutes: float | None = None


@dataclass(frozen=True)
class _Training:
    """The part of a network's metadata that is looked at."""

    method: str = ""
    seconds: float | None = None


def network_facts(
    file: NetworkFile, opened: OpenedNetwork, dataset: str, trained_by: str | None = None
) -> NetworkFacts:
    """Return what there is to say of a network, by its file and its metadata.

    Args:
        file: where it comes from; train.py writes metadata into files of this package, and beside .keras files.
        opened: the same, opened.
        dataset: the name of the dataset that it is evaluated on.
        trained_by: who trained it (default: by the file).

    Raises:
        InputError: for metadata of another kind than train.py writes.
    """
    model = opened.model
    known = isinstance(model, Network)
    metadata = model.metadata if known else _written_beside(file.path)
    training = read_fields(_Training, metadata, f"the metadata of {file.name}")
    name = parse_name(file.name) if file.is_of_this_package else None
    if known:
        architecture = model.architecture
    else:
        kind = opened.record.get("network", {}).get("class", type(model).__name__)
        architecture = f"{file.application or kind}, {model.count_params()} weights"
    by_file = PUBLISHED if file.path.suffix == ".pkl" else HERE if "run" in metadata else GIVEN
    return NetworkFacts(
        file.name,
        name.title if name else OBJECTIVE_TITLES.get(training.method, NOTHING),
        architecture,
        find_dataset(dataset).name,
        trained_by or by_file,
        file.path.name,
        None if training.seconds is None else training.seconds / 60,
    )


def _written_beside(path: Path) -> Mapping[str, Any]:
    """The metadata that train.py wrote beside a model that is not of this package; nothing where there is no such file."""
    try:
        found = parse_json(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    # Any other file may have that name.
    return found if isinstance(found, dict) and {"method", "schedule", "run"} <= found.keys() else {}
