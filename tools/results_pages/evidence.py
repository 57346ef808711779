"""The records that the page is made of: which network they are of, and in which order networks are listed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interp.core.errors import InputError
from interp.core.network_name import NetworkName, parse_name
from interp.core.tables import counted
from interp.report.records import SETTINGS, RecordStore


@dataclass(frozen=True)
class Sources:
    """Directories of results of `eval.py`, and of the networks they are of."""

    records: tuple[Path, ...]
    networks_dir: Path


def find_results(folders: Sequence[Path]) -> tuple[Path, ...]:
    """The directories that `eval.py` wrote among these and right below them. Raises InputError for one without any."""
    found: list[Path] = []
    for folder in folders:
        here = [each for each in (folder, *sorted(folder.glob("*/"))) if (each / SETTINGS).is_file()]
        if not here:
            raise InputError(f"{folder} holds no results: run eval.py with --out {folder}, or correct it")
        found += here
    return tuple(found)


@dataclass(frozen=True)
class Evaluated:
    """A network and what one section of `eval.py` found of it."""

    name: NetworkName
    published: bool
    record: Mapping[str, Any]

    @property
    def labels(self) -> tuple[str, str]:
        """Its training method, and whose network it is."""
        who = "published" if self.published else "here"
        return self.name.title, f"{who}, {counted(self.name.epochs, 'epoch')}"

    @property
    def label(self) -> str:
        """Both in one."""
        return "{} ({})".format(*self.labels)

    def values(self, *columns: str) -> list[tuple[Any, ...]]:
        """The rows of its table, these columns only. Raises InputError for a record of another table."""
        header = self.record["header"]
        missing = [column for column in columns if column not in header]
        if missing:
            raise InputError(f"the record of {self.name} has no column {missing[0]!r}: evaluate it again")
        return [tuple(row[header.index(column)] for column in columns) for row in self.record["rows"]]

    def one(self, *columns: str, where: str, at: object) -> tuple[Any, ...]:
        """The one row in whose column `where` stands `at`, these columns only. Raises InputError where there are none or several."""
        rows = [row[1:] for row in self.values(where, *columns) if row[0] == at]
        if len(rows) != 1:
            raise InputError(
                f"the record of {self.name} has {len(rows)} rows of {where} {at}, expected one: evaluate it again"
            )
        return rows[0]


def short_labels(names: Sequence[NetworkName]) -> list[str]:
    """The training method of each network, with its variant and epochs where several are of one method."""
    titles = [name.title for name in names]
    return [
        name.title if titles.count(name.title) == 1 else f"{name.full_title}, {counted(name.epochs, 'epoch')}"
        for name in names
    ]


def of_family(sources: Sources, section: str, family: str) -> list[Evaluated]:
    """What was found of the networks of a dataset and architecture, such as mnist_smallgap: by method, this project's own first.

    Raises InputError where there is nothing.
    """
    found = []
    for folder in sources.records:
        for stem, record in RecordStore(folder).all(section).items():
            name = parse_name(stem)
            if name is not None and name.family == family:
                found.append(Evaluated(name, f"{stem}.pkl" in record["files"], record))
    if not found:
        told = ", ".join(map(str, sources.records))
        raise InputError(f"no record of {section} for {family} in {told}: run eval.py, or take the mark from the page")
    return sorted(found, key=lambda one: (one.name.order, one.published, one.name.epochs))


def small_caption(found: list[Evaluated]) -> str:
    """On what and how this was measured, for all of them, in small print; more than once where they differ."""
    told = []
    for one in found:
        protocol, count = one.record.get("protocol") or one.record["caption"], one.record["images"]
        measured = protocol if protocol.startswith(f"{count} ") else f"{counted(count, 'image')}; {protocol}"
        told.append(f"{measured}; {one.record['data']}")
    return f"<small>{' / '.join(dict.fromkeys(told))}</small>"
