"""Results of an experiment on disk, one file a network and section, so that a stopped run goes on where it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from interp.commands.record_format import read_object, read_result
from interp.commands.used_files import UsedFiles, fingerprint
from interp.core.errors import InputError
from interp.core.files import visible_files, write_json, write_text
from interp.core.json_values import json_values
from interp.report import tab_separated


class OtherResults(InputError):
    """The folder holds results that must not stand in one table with those that are asked for."""


class Results:
    """The folder of an experiment; `settings` are what all results in it must share. Raises OtherResults for other settings."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        path = folder / "settings.json"
        kept = read_object(path, "settings of eval.py", "remove it") if path.exists() else settings
        self._settings = {**settings, "data": kept.get("data", {})}
        different = [name for name in settings if kept.get(name) != settings[name]]
        if different:
            were = ", ".join(f"{name} {kept.get(name)!r:.40}, now {settings[name]}" for name in different)
            raise OtherResults(f"{folder} holds results of other settings ({were}): choose another --out, or remove it")
        if not isinstance(self._settings["data"], dict) or not all(
            isinstance(splits, dict) for splits in self._settings["data"].values()
        ):
            raise InputError(f"{path} is no settings of eval.py: data came as something else than splits; remove it")
        write_json(path, self._settings)

    def check_data(self, dataset: str, splits: dict[str, str]) -> None:
        """Note which images the results on a dataset are of, by split. Raises OtherResults if those that are there are of others."""
        kept = self._settings["data"].get(dataset, {})
        for split, identity in splits.items():
            if kept.get(split, identity) != identity:
                raise OtherResults(
                    f"{self.folder} holds results of other {split} images of {dataset} ({kept[split]}; now {identity}): choose another "
                    "--out, or remove it"
                )
        if not splits.keys() <= kept.keys():
            self._settings["data"][dataset] = {**kept, **splits}
            write_json(self.folder / "settings.json", self._settings)

    def read(
        self, section: str, name: str, made_of: dict[str, Any], find: Callable[[str], Path]
    ) -> dict[str, Any] | None:
        """The result of a network, None if there is none or if it was made of something else than `made_of` or since changed files.

        `find` gives the path of a network's file by its name, so that results may be read from another folder.
        """
        path = self._path(section, name)
        record = read_result(path) if path.exists() else None
        if record is None or record.get("made_of") != made_of:
            return None
        try:
            current = all(fingerprint(find(file)) == digest for file, digest in record["files"].items())
        except (InputError, OSError):
            return None
        return record if current else None

    def keep(self, section: str, name: str, made_of: dict[str, Any], files: UsedFiles, record: dict[str, Any]) -> None:
        """Write the result of a network, made of settings and `files`. Raises InputError if those changed meanwhile."""
        digests = {path.name: digest for path, digest in files.check().items()}
        write_json(self._path(section, name), json_values({**record, "made_of": made_of, "files": digests}))

    def all(self, section: str) -> dict[str, dict[str, Any]]:
        """Every kept result of a section by network."""
        return read_all(self.folder, section)

    def write_table(self, section: str, header: list[str], rows: list[list[Any]]) -> Path:
        """Write a section's table and return its file."""
        path = self.folder / f"{section}.tsv"
        write_text(path, tab_separated(header, rows))
        return path

    def _path(self, section: str, name: str) -> Path:
        return self.folder / section / f"{name}.json"


def read_all(folder: Path, section: str) -> dict[str, dict[str, Any]]:
    """Every kept result of a section by network. Raises InputError for a damaged one."""
    return {path.stem: read_result(path) for path in visible_files(folder / section, ".json")}
