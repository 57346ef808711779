"""The reference: every public name has a place with an example, and all examples run, page by page from top to bottom."""

import ast
import importlib
import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[1] / "docs" / "api").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def named(code):
    """The names that code uses."""
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_public_name_has_a_place_and_an_example(page):
    public = set(importlib.import_module(f"interp.{page.stem}").__all__)
    text = page.read_text(encoding="utf-8")
    listed = [name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)$", text, re.MULTILINE)]
    used = named("\n".join(BLOCK.findall(text)))
    assert len(listed) == len(set(listed))
    assert not public - set(listed)
    assert not public - used


def test_every_module_of_the_package_has_a_page():
    import interp

    assert {page.stem for page in PAGES} == set(interp._MODULES)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(BLOCK.findall(page.read_text(encoding="utf-8"))), page.name, "exec"), {})
