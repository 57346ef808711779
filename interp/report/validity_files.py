"""Files of the strong protocol beside its table: a leaderboard of networks, and what broke each image of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interp.core.errors import InputError
from interp.core.files import write_json, write_text
from interp.core.json_fields import read_fields
from interp.core.tables import NOTHING, Cell, Table, render
from interp.evaluation import Validity
from interp.report.records import Records, RecordStore


@dataclass(frozen=True)
class _Asked:
    dataset: str
    seed: int | None


@dataclass(frozen=True)
class _Splits:
    test: str


@dataclass(frozen=True)
class _Made:
    """What a record says of its making, beside its result."""

    file: str
    files: Mapping[str, str]
    splits: _Splits
    arguments: _Asked
    versions: Mapping[str, str | None]
    protocol: str
    commit: str | None = None
    indices: tuple[int, ...] = ()


def write_leaderboard(store: RecordStore, table: str, name: str, records: Records) -> list[Path]:
    """Write the leaderboard of the networks of a table, as CSV and JSON, and the outcome of each image of the network `name`, as CSV.

    Returns the files: none for a task whose records hold no accuracies of the strong protocol. Records of earlier versions, which
    lack some of it, are in the leaderboard all the same. Raises InputError.
    """
    if records[name].get("result") != Validity.__name__ or not records[name].get("by_radius"):
        return []
    rows = [row for network, record in records.items() for row in leaderboard_rows(network, record)]
    csv, json = (store.folder / f"{table}_leaderboard.{kind}" for kind in ("csv", "json"))
    images = store.folder / table / f"{name}_images.csv"
    columns = list(dict.fromkeys(column for row in sorted(rows, key=len, reverse=True) for column in row))
    cells = tuple(tuple(row.get(column, NOTHING) for column in columns) for row in rows)
    write_text(csv, render(Table(tuple(columns), cells), "csv"))
    write_json(json, rows)
    write_text(images, render(image_table(name, records[name]), "csv"))
    return [csv, json, images]


def leaderboard_rows(name: str, record: Mapping[str, Any]) -> list[dict[str, Cell]]:
    """The rows of a network from its record. Raises InputError for a damaged one."""
    made, found = _read(name, record)
    versions = ", ".join(f"{package} {number}" for package, number in made.versions.items())
    last: dict[str, Cell] = {
        "weights": made.files.get(Path(made.file).name),
        "data": made.splits.test,
        "seed": made.arguments.seed,
        "versions": f"{versions}, commit {made.commit}",
        "protocol": made.protocol,
    }
    return [{**row, **last} for row in found.leaderboard(model_name=name, dataset=made.arguments.dataset)]


def image_table(name: str, record: Mapping[str, Any]) -> Table:
    """What broke each image, from the record of a network. Raises InputError for a damaged one."""
    made, found = _read(name, record)
    return found.image_table(made.indices, data=made.splits.test, seed=made.arguments.seed)


def _read(name: str, record: Mapping[str, Any]) -> tuple[_Made, Validity]:
    try:
        return read_fields(_Made, record, "it"), Validity.from_json(record)
    except InputError as error:
        raise InputError(f"the record of {name} cannot be used ({error}): evaluate it again") from error
