"""The figures that earlier runs kept, from files that may be damaged."""

from pathlib import Path
from typing import Any

from interp.core.errors import InputError
from interp.core.json_values import parse_json


def read_rows(path: Path) -> dict[str, Any]:
    """The rows of a file of figures by name, none where there is no such file. Raises InputError for a damaged one."""
    try:
        rows = parse_json(path.read_text(encoding="utf-8"))["rows"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read as figures of earlier runs: remove it") from error
    if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
        raise InputError(f"{path} holds no rows of figures: remove it")
    return rows
