"""The commit beside a result is that of the code that made it, whatever git's variables or the folders around it say."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOW = "from interp.core.provenance import describe_run; print(describe_run({})['commit'])"


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder):
    """A repository with a copy of the package's first room, committed."""
    shutil.copytree(ROOT / "interp" / "core", folder / "interp" / "core", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "interp" / "__init__.py").write_text("")
    (folder / ".gitignore").write_text("__pycache__\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", str(folder))
    return git(folder, "rev-parse", "HEAD")


def commit_recorded_in(folder, **variables):
    # Nothing of the environment but these: a hook's own variables must not come along.
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(folder), **variables}
    done = subprocess.run(
        [sys.executable, "-c", SHOW], capture_output=True, text=True, check=True, cwd=folder, env=environment
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"GIT_DIR": "OTHER/.git"},
        {"GIT_DIR": "OTHER/.git", "GIT_WORK_TREE": "OTHER"},
        {"GIT_INDEX_FILE": "OTHER/.git/index"},
        {"GIT_OBJECT_DIRECTORY": "OTHER/.git/objects"},
        {"GIT_COMMON_DIR": "OTHER/.git"},
    ],
)
def test_variables_of_git_name_no_other_repository(tmp_path, variables):
    own, _ = repository(tmp_path / "own"), repository(tmp_path / "other")
    variables = {name: value.replace("OTHER", str(tmp_path / "other")) for name, value in variables.items()}
    assert commit_recorded_in(tmp_path / "own", **variables) == own
    (tmp_path / "own" / "interp" / "core" / "errors.py").open("a").write("# changed\n")
    assert commit_recorded_in(tmp_path / "own", **variables) == f"{own}+"


def test_a_broken_checkout_inside_of_another_repository_has_no_commit(tmp_path):
    repository(tmp_path)
    repository(tmp_path / "inner")
    shutil.rmtree(tmp_path / "inner" / ".git")
    (tmp_path / "inner" / ".git").mkdir()
    assert commit_recorded_in(tmp_path / "inner") == "None"
