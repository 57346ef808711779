"""Results of `eval_cmd.py` on disk: networks with the same task and options share a table and a record."""

import json
from pathlib import Path
from typing import Any

from interp.commands.tasks.setting import Outcome, Setting
from interp.core.errors import InputError
from interp.core.files import locked, replacing, write_json, write_text
from interp.core.provenance import describe_run
from interp.report import tab_separated


def keep_outcome(setting: Setting, outcome: Outcome) -> list[Path]:
    """Write table, record and pictures; return the files. Raises InputError, and then the table and record are as they were."""
    arguments = setting.arguments
    task = arguments.task + ("_strong" if arguments.protocol == "strong" and arguments.task == "pgd_attack" else "")
    stem = f"{arguments.norm}_{arguments.num_class}_{task}_{arguments.dataset}_{setting.method}"
    pictures = [arguments.picture_dir / f"{stem}_{setting.name}_{shown}.png" for shown in outcome.pictures]
    for path, figure in zip(pictures, outcome.pictures.values(), strict=True):
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=130)
    record_path = arguments.output_dir / f"{stem}.json"
    with locked(arguments.output_dir / ".lock"):
        records = read_records(record_path)
        records[setting.name] = {
            **describe_run(vars(arguments)),
            "data": setting.sample.source,
            "network": setting.metadata(),
            "caption": outcome.table.caption,
            "header": list(outcome.table.header),
            "rows": [list(row) for row in outcome.table.rows],
            **outcome.record,
            "pictures": [str(path) for path in pictures],
        }
        write_json(record_path, records)
        # A table made of other columns, by other options, keeps to its record.
        alike = {name: record for name, record in records.items() if record["header"] == list(outcome.table.header)}
        rows = [[name, *row] for name, record in alike.items() for row in record["rows"]]
        table_path = record_path.with_suffix(".tsv")
        write_text(table_path, tab_separated(["network", *outcome.table.header], rows))
    return [table_path, record_path, *pictures]


def read_records(path: Path) -> dict[str, Any]:
    """The records of a file by network, none if there is no file. Raises InputError for a file that holds something else."""
    if not path.exists():
        return {}
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a record: {error}; move it away") from error
    if not isinstance(records, dict) or not all(_is_record(record) for record in records.values()):
        raise InputError(f"{path} is no record of eval_cmd.py: move it away")
    return records


def _is_record(record: Any) -> bool:
    return isinstance(record, dict) and isinstance(record.get("header"), list) and isinstance(record.get("rows"), list)
