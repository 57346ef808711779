"""The tutorials: each notebook runs from top to bottom, in two minutes of two cores, and finds what its text says."""

import json
import re
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
CPU_SECONDS = 240  # two minutes of two cores, whatever else the machine does
QUICK = "train_a_robust_model_on_your_photos"


def cells(name, kind):
    """The sources of the cells of one kind."""
    notebook = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def run(name, folder, monkeypatch):
    """Run the code of a notebook and return its names; raises TimeoutError where it takes too long."""

    def stop(*_):
        raise TimeoutError(f"{name} took more than {CPU_SECONDS} seconds of processors")

    monkeypatch.chdir(folder)
    names = {"__name__": "__main__"}
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        for number, code in enumerate(cells(name, "code")):
            exec(compile(code, f"{name}, cell {number}", "exec"), names)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return names


def test_a_notebook_that_was_run_is_kept_whole_or_not_at_all(monkeypatch, tmp_path):
    """The next build would show half of one as it is."""
    for library in ("mkdocs", "nbclient"):
        pytest.importorskip(library, reason=f"{library} is not installed")
    from site_pages import tutorials

    def stop(notebook, file):
        Path(file).write_text("{")
        raise KeyboardInterrupt

    monkeypatch.delenv("TUTORIALS", raising=False)
    # Set by the build, put back after the test.
    for variable in ("PYTHONPATH", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(variable, "")
    monkeypatch.setattr(tutorials.nbclient, "NotebookClient", lambda *_, **__: SimpleNamespace(execute=lambda: None))
    monkeypatch.setattr(tutorials.nbformat, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        tutorials.executed(FOLDER / f"{NOTEBOOKS[0]}.ipynb", tmp_path)
    assert not list(tmp_path.glob("*.ipynb"))


# What the text of each notebook says that its figures show.
def _explained(found):
    assert found["maps"].shape == (25, 28, 28, 1)
    assert found["check"].passes("gradient")


def _attacked(found):
    assert found["protocol"].strength == "quick"
    assert found["found"].rows[0].worst_case < 0.7 < found["found"].rows[0].accuracies["PGD"]
    assert found["row"].flags


def _moved(found):
    taus = {name: result.values(0.15, "Kendall tau").mean() for name, result in found["found"].items()}
    assert taus["adv"] > taus["normal"] + 0.1


def _trained(found):
    assert found["after"] > found["before"] + 0.1
    assert found["found"].scale == "0..255"


def _compared(found):
    under_attack = {name: curve.accuracies[2] for name, curve in found["curves"].items()}
    assert min(under_attack["adv"], under_attack["trades"]) > under_attack["normal"] + 0.2


def _retrained(found):
    assert found["accuracy"] > 0.9  # of noise with a hole
    assert found["found"].mean("roar", "random", 0.5).value < found["found"].unerased().value


def _manipulated(found):
    for _, result in found["results"].values():
        assert result.distances.mean() < result.clean_distances.mean() - 0.3


FINDINGS = {
    "explain_your_model": _explained,
    "is_my_model_robust": _attacked,
    "are_its_explanations_robust": _moved,
    "train_a_robust_model_on_your_photos": _trained,
    "compare_trainings": _compared,
    "roar_and_its_traps": _retrained,
    "manipulate_an_explanation": _manipulated,
}


@pytest.mark.integration
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == QUICK else [pytest.mark.slow]) for name in NOTEBOOKS]
)
def test_a_notebook_runs_and_finds_what_it_says(name, tmp_path, monkeypatch):
    FINDINGS[name](run(name, tmp_path, monkeypatch))


def test_notebooks_store_no_outputs_and_are_on_the_site():
    site = (FOLDER.parents[1] / "mkdocs.yml").read_text(encoding="utf-8")
    listed = (FOLDER.parent / "tutorials.md").read_text(encoding="utf-8")
    assert sorted(FINDINGS) == NOTEBOOKS
    for name in NOTEBOOKS:
        notebook = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
        assert f"tutorials/{name}.md" in site
        assert f"tutorials/{name}.ipynb" in listed


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_links_of_notebooks_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+)", "\n".join(cells(name, "markdown"))):
        assert (FOLDER / target).exists(), target
