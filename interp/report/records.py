"""Records of results on disk: one file a network and table, so that a stopped run goes on, and nothing is mixed that differs."""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from interp.core.command_line import alike
from interp.core.errors import InputError
from interp.core.files import visible_files, write_json
from interp.core.json_values import json_values
from interp.core.results import write_table
from interp.core.tables import NOTHING, SUFFIXES, Cell, Table
from interp.core.used_files import UsedFiles, fingerprint
from interp.data import DATASETS
from interp.report.record_format import read_earlier_records, read_object, read_record

Records = Mapping[str, dict[str, Any]]
# What all results of eval.py in a directory share.
SETTINGS = "settings.json"
# What earlier versions wrote there, and gave to all tasks, where no seed was given.
EARLIER_SEED = 99


class OtherResults(InputError):
    """The directory holds results that must not stand in one table with those that are asked for."""


class RecordStore:
    """The records in a directory, by the table they belong to and the name of their network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, table: str, name: str) -> Path:
        """The file of a record."""
        return self.folder / table / f"{name}.json"

    def all(self, table: str, earlier: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
        """Every record of a table by network, those in files of `earlier` layouts too. Raises InputError for a damaged one."""
        found: dict[str, dict[str, Any]] = {}
        for stem in earlier:
            found |= read_earlier_records(self.folder / f"{stem}.json")
        return found | {path.stem: read_record(path) for path in visible_files(self.folder / table, ".json")}

    def current(
        self, table: str, name: str, made_of: Mapping[str, Any], find: Callable[[str], Path]
    ) -> dict[str, Any] | None:
        """The record of a network; None without one, or where it was made of something else than `made_of` or of files that changed.

        `find` gives the path of a network's file by its name, so that records may be read from another directory.
        """
        path = self.path(table, name)
        record = read_record(path) if path.exists() else None
        if record is None or record.get("made_of") != made_of:
            return None
        try:
            current = all(fingerprint(find(file)) == digest for file, digest in record["files"].items())
        except (InputError, OSError):
            return None
        return record if current else None

    def keep(self, table: str, name: str, record: Mapping[str, Any], files: UsedFiles) -> dict[str, Any]:
        """Write the record of a network, made of `files`, and return it. Raises InputError if those changed meanwhile."""
        digests: dict[str, str] = {}
        for path, digest in files.check().items():
            # Of two files of one name both are said, so that no file is taken for either.
            digests[path.name] = ", ".join(filter(None, (digests.get(path.name), digest)))
        kept: dict[str, Any] = json_values({**record, "files": digests})
        write_json(self.path(table, name), kept)
        return kept

    def write_table(self, table: str, records: Records, kind: str) -> Path:
        """Write the table of records in one of the formats and return its file."""
        return write_table(shared_table(records), self.folder / f"{table}{SUFFIXES[kind]}")


class Settings:
    """What all results of `eval.py` in a directory share, the `seed` too: None is that of each task, where none is asked for.

    Raises OtherResults where those that are there are of other settings.
    """

    def __init__(self, folder: Path, asked: Mapping[str, Any]) -> None:
        self._path = folder / SETTINGS
        kept = read_object(self._path, "settings of eval.py", "remove it") if self._path.exists() else asked
        if asked["seed"] is None and kept.get("seed") == EARLIER_SEED:
            asked = {**asked, "seed": EARLIER_SEED}
        self.seed: int | None = asked["seed"]
        different = [name for name in asked if kept.get(name) != asked[name]]
        if different:
            were = ", ".join(f"{name} {_said(kept.get(name))}, now {_said(asked[name])}" for name in different)
            raise OtherResults(f"{folder} holds results of other settings ({were}): choose another --out, or remove it")
        self._data = kept.get("data", {})
        if not isinstance(self._data, dict) or not all(isinstance(splits, dict) for splits in self._data.values()):
            raise InputError(
                f"{self._path} is no settings of eval.py: data came as something else than splits; remove it"
            )
        self._asked = dict(asked)
        self._write()

    def check_data(self, dataset: str, splits: Mapping[str, str]) -> None:
        """Note which images the results on a dataset are of, by split. Raises OtherResults if those that are there are of others."""
        kept = self._data.get(dataset, {})
        for split, identity in splits.items():
            # Images of a run that failed before it had a result bind no later one.
            if kept.get(split, identity) != identity and self._has_results_of(kept[split]):
                raise OtherResults(
                    f"{self._path.parent} holds results of other {split} images of {dataset} ({kept[split]}; now {identity}): choose "
                    "another --out, or remove it"
                )
        if not splits.items() <= kept.items():
            self._data[dataset] = {**kept, **splits}
            self._write()

    def _has_results_of(self, identity: Any) -> bool:
        """Whether a record beside the settings is of these images."""
        for path in self._path.parent.glob("*/*.json"):
            with suppress(InputError):
                # What is no record is none of these images; a damaged one is told where its table is made.
                made_of = read_object(path, "record of a result", "remove it").get("made_of")
                data = made_of.get("data") if isinstance(made_of, dict) else None
                if isinstance(data, dict) and identity in data.values():
                    return True
        return False

    def _write(self) -> None:
        write_json(self._path, {**self._asked, "data": self._data})


def made_alike(record: Mapping[str, Any], other: Mapping[str, Any], may_differ: Iterable[str] = ()) -> bool:
    """Whether two networks may stand in one table: the same images, and options but for those that may differ.

    Their columns need not be the same: where nothing was left to attack, or no image qualified, there are fewer.
    """
    names = other["arguments"].keys() & record["arguments"].keys() - set(may_differ)
    same = all(record["arguments"][name] == other["arguments"][name] for name in names)
    return same and record.get("splits") == other.get("splits")


def shown_together(records: Records, asked: Mapping[str, Any] | None = None) -> tuple[Records, list[str]]:
    """The records of a section that its table shows, and the names of the others, which were evaluated with other options.

    Of each dataset it shows the networks with the options of the section that is `asked` for or, where there are none, with those of the
    record that was finished last. Records of earlier versions, which do not say their options, are shown.
    """
    datasets: dict[str, dict[str, str]] = {}
    for name, record in records.items():
        made_of = record.get("made_of", {})
        told = _options_of(made_of.get("section"))
        if told is not None:
            dataset = str(made_of.get("dataset"))
            # By one of its names: the records have that which the command was given.
            dataset = next((spec.name for spec in DATASETS.values() if dataset in spec.names), dataset)
            datasets.setdefault(dataset, {})[name] = told
    wanted, others = _options_of(asked), []
    for known in datasets.values():
        last = max(known, key=lambda name: str(records[name].get("finished")))
        shown = wanted if wanted in known.values() else known[last]
        others += [name for name, told in known.items() if told != shown]
    return {name: record for name, record in records.items() if name not in others}, others


def _said(value: Any) -> str:
    """A setting in a message."""
    return "not given" if value is None else f"{value!r:.40}"


def _options_of(section: Any) -> str | None:
    """The task of a section and its options, however they were spelt; None for what is no section."""
    if not isinstance(section, Mapping):
        return None
    words = section.get("arguments")
    if isinstance(words, (list, tuple)):
        words = " ".join(alike(list(map(str, words)))).replace("=", " ")
    return json.dumps([*(section.get(name) for name in ("task", "option", "values")), words])


def shared_table(records: Records) -> Table:
    """All rows of all networks under all columns."""
    # Networks of two classes, say, are spared an attack, and have no column for it.
    headers = sorted((record["header"] for record in records.values()), key=len, reverse=True)
    columns = list(dict.fromkeys(column for header in headers for column in header))
    rows: list[tuple[Cell, ...]] = [
        (network, *(dict(zip(record["header"], row, strict=True)).get(column, NOTHING) for column in columns))
        for network, record in records.items()
        for row in record["rows"]
    ]
    return Table(("network", *columns), tuple(rows))


def remarks(record: Mapping[str, Any], of: str = "") -> list[str]:
    """What is flagged, and the notes; `of` names the network where there are several."""
    lead = f"{of}: " if of else ""
    lines = []
    for flag in record.get("flags", []):
        at = f" at eps {flag['eps']:.4g}" if flag.get("eps") is not None else ""
        lines.append(f"flagged: {of}{at}: {flag['text']}" if of else f"flagged{at}: {flag['text']}")
    return [*lines, *(f"{lead}{note}" for note in record.get("notes", []))]
