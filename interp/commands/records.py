"""Results of `eval_cmd.py` on disk: networks with the same task and options share a table and a record."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interp.commands.record_format import read_network_results
from interp.commands.tasks.listing import PREDICTIONS, SALIENCY
from interp.commands.tasks.setting import Outcome, Setting
from interp.core.errors import InputError
from interp.core.files import locked, replacing, write_json, write_text
from interp.core.json_values import json_values
from interp.core.provenance import describe_run
from interp.report import note_source, tab_separated

# What may differ between networks of one table.
OWN = (
    "network",
    "networks_dir",
    "network_type",
    "against",
    "output_dir",
    "picture_dir",
    "data_dir",
    "batch_size",
    "any_dataset",
    "workers",
    "ray",
)


def check_record(setting: Setting) -> None:
    """Raise InputError if the outcome of a setting could not be kept: asked before long work rather than after it."""
    kept = read_network_results(_record_path(setting)).get(setting.name)
    if kept is not None and kept.get("file") != _file(setting):
        raise InputError(
            f"{_record_path(setting)} holds another network named {setting.name} ({kept.get('file')}): choose another --output_dir"
        )


def keep_outcome(setting: Setting, outcome: Outcome, splits: Mapping[str, str]) -> tuple[list[Path], list[str]]:
    """Write table, record and pictures; return the files, and the networks of the record that do not belong into one table with it.

    `splits` say which images it is of. Raises InputError, and then the table and record are as they were.
    """
    arguments, record_path = setting.arguments, _record_path(setting)
    files = setting.files.check()
    pictures = [arguments.picture_dir / f"{record_path.stem}_{setting.name}_{shown}.png" for shown in outcome.pictures]
    for path, figure in zip(pictures, outcome.pictures.values(), strict=True):
        with replacing(path) as temporary:
            note_source(figure, setting.sample.source).savefig(temporary, dpi=130)
    with locked(arguments.output_dir / ".lock", wait=True):
        check_record(setting)
        records = read_network_results(record_path)
        record = {
            **describe_run(vars(arguments)),
            "file": _file(setting),
            "files": {str(path.resolve()): digest for path, digest in files.items()},
            "data": setting.sample.source,
            "splits": dict(splits),
            "network": setting.metadata(),
            "caption": outcome.table.caption,
            "header": list(outcome.table.header),
            "rows": [list(row) for row in outcome.table.rows],
            **outcome.record,
            **with_flags(outcome.record, setting.flags),
            "pictures": [str(path) for path in pictures],
        }
        records[setting.name] = record = json_values(record)
        write_json(record_path, records)
        # Networks evaluated by other options, or on other images, keep to the record.
        alike = {name: other for name, other in records.items() if _options(other) == _options(record)}
        rows = [[name, *row] for name, other in alike.items() for row in other["rows"]]
        table_path = record_path.with_suffix(".tsv")
        write_text(table_path, tab_separated(["network", *outcome.table.header], rows))
    return [table_path, record_path, *pictures], [name for name in records if name not in alike]


def with_flags(record: Mapping[str, Any], flags: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The flags of an outcome with those of its setting, as a field of its record; no field without any."""
    both = [*flags, *record.get("flags", [])]
    return {"flags": both} if both or "flags" in record else {}


def _record_path(setting: Setting) -> Path:
    arguments = setting.arguments
    task = arguments.task + ("_strong" if arguments.protocol == "strong" and arguments.task == "pgd_attack" else "")
    if setting.method in (*SALIENCY, *PREDICTIONS):
        protocol = f"_{arguments.protocol}" if arguments.task in ("roar", "kar") else ""
        return Path(arguments.output_dir) / f"{task}_{arguments.dataset}{protocol}.json"
    stem = f"{arguments.norm}_{arguments.num_class}_{task}_{arguments.dataset}_{setting.method}"
    return Path(arguments.output_dir) / f"{stem}.json"


def _file(setting: Setting) -> str:
    return str(setting.path.resolve())


def _options(record: dict[str, Any]) -> tuple[Any, ...]:
    """What networks of one table share."""
    own = {name: value for name, value in record["arguments"].items() if name not in OWN}
    return record["header"], own, record.get("splits")
