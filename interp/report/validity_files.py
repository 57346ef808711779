"""Files of the strong protocol beside its table: a leaderboard of networks, and what broke each image of one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interp.core.files import write_json, write_text
from interp.core.tables import NOTHING, Cell, Table, render
from interp.evaluation import Validity
from interp.report.records import Records, RecordStore


def write_leaderboard(store: RecordStore, table: str, name: str, records: Records) -> list[Path]:
    """Write the leaderboard of the networks of a table, as CSV and JSON, and the outcome of each image of the network `name`, as CSV.

    Returns the files: none for a task whose records hold no accuracies of the strong protocol. Records of earlier versions, which
    lack some of it, are in the leaderboard all the same. Raises InputError.
    """
    if records[name].get("result") != Validity.__name__ or not records[name]["by_radius"]:
        return []
    rows = [row for network, record in records.items() for row in leaderboard_rows(network, record)]
    csv, json = (store.folder / f"{table}_leaderboard.{kind}" for kind in ("csv", "json"))
    images = store.folder / table / f"{name}_images.csv"
    columns = list(dict.fromkeys(column for row in sorted(rows, key=len, reverse=True) for column in row))
    cells = tuple(tuple(row.get(column, NOTHING) for column in columns) for row in rows)
    write_text(csv, render(Table(tuple(columns), cells), "csv"))
    write_json(json, rows)
    write_text(images, render(image_table(records[name]), "csv"))
    return [csv, json, images]


def leaderboard_rows(name: str, record: Mapping[str, Any]) -> list[dict[str, Cell]]:
    """The rows of a network from its record. Raises InputError for a damaged one."""
    versions = ", ".join(f"{package} {number}" for package, number in record["versions"].items())
    file = Path(record["file"]).name
    first: dict[str, Cell] = {"model_name": name, "dataset": record["arguments"]["dataset"]}
    last = {
        "weights": record["files"].get(file),
        "data": record["splits"]["test"],
        "seed": record["arguments"]["seed"],
        "versions": f"{versions}, commit {record.get('commit')}",
        "protocol": record["protocol"],
    }
    return [{**row, **last} for row in Validity.from_json(record).leaderboard(**first)]


def image_table(record: Mapping[str, Any]) -> Table:
    """What broke each image, from a record. Raises InputError for a damaged one."""
    known = {"data": record["splits"]["test"], "seed": record["arguments"]["seed"]}
    return Validity.from_json(record).image_table(record["indices"], **known)
