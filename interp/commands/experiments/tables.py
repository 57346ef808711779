"""The table of a section: a row, or more, a network."""

from collections.abc import Mapping
from typing import Any

from interp.report import NOTHING, Table, spread

Records = Mapping[str, dict[str, Any]]


def section_table(records: Records) -> Table:
    """All rows of all networks under all columns."""
    # Networks of two classes, say, are spared an attack, and have no column for it.
    headers = sorted((record["header"] for record in records.values()), key=len, reverse=True)
    columns = list(dict.fromkeys(column for header in headers for column in header))
    rows = [
        (network, *(dict(zip(record["header"], row, strict=True)).get(column, NOTHING) for column in columns))
        for network, record in records.items()
        for row in record["rows"]
    ]
    return Table(("network", *columns), tuple(rows))


def shown_table(table: Table) -> Table:
    """The table as people read it: accuracies of several radii beside each other."""
    return spread(table, "eps", "accuracy") if {"eps", "accuracy"} <= set(table.header) else table


def captions(records: Records) -> list[str]:
    """How and on which images the figures were measured, each once."""
    return list(dict.fromkeys(f"{record['caption']}; {record['data']}" for record in records.values()))


def sources(records: Records) -> list[str]:
    """Which images the records are of, each once."""
    return list(dict.fromkeys(record["data"] for record in records.values()))


def remarks(records: Records) -> list[str]:
    """What is flagged and what else there is to say, by network."""
    lines = []
    for network, record in records.items():
        for flag in record.get("flags", []):
            at = f" at eps {flag['eps']:.4g}" if "eps" in flag else ""
            lines.append(f"flagged: {network}{at}: {flag['text']}")
        lines += [f"{network}: {note}" for note in record.get("notes", [])]
    said = {network: record.get("made_of", {}).get("data") for network, record in records.items()}
    older = [network for network, data in said.items() if data is None]
    if older and len(older) < len(records):
        lines.append(
            f"evaluated before results said which images they are of, so perhaps on others: {', '.join(older)}"
        )
    return lines
