"""Files for people and tools around the package: they agree with it and with each other."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
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


def test_badges_say_what_the_project_says():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pythons = [each.rpartition(" ")[2] for each in project["classifiers"] if re.search(r":: 3\.\d+$", each)]
    said = {
        re.search(r"<title>(.*)</title>", (ROOT / "docs/images" / f"badge_{name}.svg").read_text())[1]
        for name in re.findall(r"images/badge_(\w+)\.svg", (ROOT / "README.md").read_text())
    }
    assert said == {f"Python: {' | '.join(pythons)}", f"license: {project['license']}"}


def test_the_readme_is_short():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 120


def test_nothing_installs_this_package_by_its_name_from_an_index():
    """The name is not registered there, so it would be another project's package."""
    by_name = re.compile(
        r"(?:pip3? (?:install|download)|pipx (?:run|install)|uvx|uv (?:add|tool run|tool install))\s+(?:-[\w-]+\s+)*['\"]?interp\b"
    )
    assert by_name.search("pip install -U 'interp[ray]'")
    assert by_name.search("uvx interp demo")
    assert not by_name.search("uvx --from . interp demo")
    folders = ("interp", "docs", "networks", "tools", "benchmarks", "examples", ".github")
    files = [ROOT / "README.md", ROOT / "Makefile", ROOT / "Dockerfile", *ROOT.glob("*.toml"), *ROOT.glob("C*.md")]
    for folder in folders:
        files += [path for kind in ("py", "md", "toml", "yml", "ipynb") for path in (ROOT / folder).rglob(f"*.{kind}")]
    assert len(files) > 300
    assert not [path for path in files if by_name.search(path.read_text(encoding="utf-8"))]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]
    assert not [each for each in asked if each.startswith("interp")]


def test_the_page_on_installing_lists_every_extra():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    listed = re.findall(r"^\| `pip install '\.\[(\w+)\]'` \|", (ROOT / "docs/install.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(extras)


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
    part = script[script.index("has_browser()") : script.index("tested() {")]
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


@pytest.mark.integration
def test_make_test_peers_runs_all_that_needs_peers():
    """No other target has them, so a test that its markers leave out would never be run."""
    make = ["make", "--no-print-directory", "-n", "test-peers", "PYTEST_FLAGS="]
    told = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    interpreter, *words = shlex.split(told.splitlines()[-1])
    assert interpreter == ".venv-peers/bin/python"
    command = [sys.executable, *words, "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.search(r"^\d+ tests collected in ", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize("code", [0, 1], ids=["unpacked", "cannot be unpacked"])
def test_ci_finds_other_data_beside_what_it_unpacks_and_leaves_nothing(tmp_path, code):
    """With a directory of data that is named from the checkout, as INTERP_DATA_DIR may be."""
    for folder in (".ci", ".venv/bin", "bin", "data/cifar10", "data/mnist", "temporary"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    (tmp_path / "data/cifar10/unpack.py").touch()
    (tmp_path / "data/mnist/images").write_text("digits")
    for program, line in (
        ("bin/make", 'echo "$1: $(cat "$INTERP_DATA_DIR/mnist/images")"'),
        (".venv/bin/python", f"exit {code}"),
    ):
        (tmp_path / program).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / program).chmod(0o755)
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "TMPDIR": str(tmp_path / "temporary"),
        "INTERP_DATA_DIR": "data",
    }
    done = subprocess.run([tmp_path / ".ci/run"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    made = re.findall("^(.*): digits$", done.stdout, re.MULTILINE)
    assert made == [".venv/.installed", *(() if code else ("test", "test-integration", "check"))]
    assert not list((tmp_path / "temporary").iterdir())


def test_records_name_files_as_they_are_in_the_project():
    """Not by the path that they had on a machine."""
    kept = (path for folder in ("docs/results", "benchmarks", "interp") for path in (ROOT / folder).rglob("*.json"))
    absolute = {str(path): re.findall(r'"(/[^"]+/[^"]*)"', path.read_text(encoding="utf-8")) for path in kept}
    assert len(absolute) > 300
    assert {name: found for name, found in absolute.items() if found} == {}


def test_no_environment_goes_into_the_docker_image():
    """Each may have 20 GB."""
    made = re.findall(r"^\w+ *:= (\.venv.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert len(made) == 4
    assert all(any(fnmatch(folder, each) for each in ignored) for folder in made)
