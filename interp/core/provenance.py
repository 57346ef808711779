"""How a result was made: stored beside every result."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("interp", "tensorflow", "keras", "numpy")


def describe_run(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments, versions, commit, cores and time of this run, as JSON values."""
    return {
        "arguments": {name: str(value) if isinstance(value, Path) else value for name, value in arguments.items()},
        **describe_code(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "platform": sys.platform,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def describe_code() -> dict[str, Any]:
    """Return the versions of the packages that compute, and the commit, as JSON values."""
    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "commit": _commit(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the checkout this package runs from, "+" for changes on top of it; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    # Variables such as GIT_DIR, which are set inside a git hook, name another repository, and git looks for one in the folders above.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_CEILING_DIRECTORIES"] = str(root.parent)
    try:
        head, changes = (
            subprocess.run(
                ["git", "-C", str(root), "-c", "safe.directory=*", *command],
                capture_output=True,
                text=True,
                check=True,
                env=environment,
            ).stdout.strip()
            for command in (("rev-parse", "HEAD"), ("status", "--porcelain", "-uno"))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changes else "")
