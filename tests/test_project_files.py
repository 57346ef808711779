"""Files for people and tools around the package: they agree with it and with each other."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import interp

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def read_yaml(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_version_is_said_once_and_elsewhere_the_same():
    latest = re.search(r"^## ([\d.]+) \((\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    citation = read_yaml("CITATION.cff")
    assert latest[1] == citation["version"] == interp.__version__
    assert latest[2] == str(citation["date-released"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version"]
    assert project["license"] == citation["license"]


def test_the_citation_has_what_its_format_asks_for():
    citation = read_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    for entry in (citation, *citation["references"]):
        assert entry["type"]
        assert entry["title"]
        assert all(set(author) in ({"name"}, {"family-names", "given-names"}) for author in entry["authors"])
    assert [entry["identifiers"][0]["value"] for entry in citation["references"]] == [
        "arXiv:2006.14748",
        "arXiv:1908.08016",
    ]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_targets_of_the_makefile_alone(path):
    targets = set(re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split())
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    commands = [step["run"].split() for job in jobs for step in job["steps"] if "run" in step]
    assert commands
    assert all(command[0] == "make" and command[1] in targets for command in commands)


def test_the_tested_pythons_are_those_that_the_package_takes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tested = read_yaml(".github/workflows/test.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert [f"Programming Language :: Python :: {version}" for version in tested] == [
        each for each in project["classifiers"] if re.search(r":: 3\.\d+$", each)
    ]


@pytest.mark.parametrize("path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.name)
def test_forms_of_issues_have_what_they_need(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.name == "config.yml":
        assert set(form) == {"blank_issues_enabled"}
        return
    assert form["name"]
    assert form["description"]
    assert len({field["id"] for field in form["body"]}) == len(form["body"])
    assert all(field["attributes"]["label"] for field in form["body"])


def test_hooks_before_a_commit_are_the_tools_of_make_check():
    hooks = [hook for repository in read_yaml(".pre-commit-config.yaml")["repos"] for hook in repository["hooks"]]
    checks = re.findall(r"^\t\$\(BIN\)/(ruff check|ruff format --check|mypy)$", (ROOT / "Makefile").read_text(), re.M)
    assert [hook["entry"].removeprefix(".venv/bin/").removesuffix(" --force-exclude") for hook in hooks] == checks


@pytest.mark.parametrize("apt", ["exit 1", "exit 0"], ids=["no packages", "installs nothing"])
def test_ci_goes_on_without_a_browser(tmp_path, apt):
    """The part of .ci/run that installs one, with an apt-get that cannot, and no browser on the PATH."""
    script = (ROOT / ".ci/run").read_text()
    part = script[script.index("has_browser()") : script.index("# pytest's last line")]
    for name in ("bash", "timeout"):
        (tmp_path / name).symlink_to(shutil.which(name))
    (tmp_path / "apt-get").write_text(f"#!{shutil.which('sh')}\n{apt}\n")
    (tmp_path / "apt-get").chmod(0o755)
    environment = {"PATH": str(tmp_path), "CI": "true"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", part], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "browser: none, its tests are skipped\n"
