"""The reference: every public name has a place with an example, and all examples run, page by page from top to bottom."""

import ast
import importlib
import inspect
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


def lacking(signature, text, *, returns):
    """The arguments that a docstring does not describe, and Returns where it lacks that."""
    plain = (
        name
        for name, each in signature.parameters.items()
        if name != "self" and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    )
    found = [name for name in plain if not re.search(rf"^\s+\*{{0,2}}{name}(?: \(.*?\))?: ", text, re.MULTILINE)]
    returns &= signature.return_annotation not in (None, "None", signature.empty)
    return [*found, *(["Returns"] if returns and not re.search("^(Returns|Yields):", text, re.MULTILINE) else [])]


def undescribed(name, each):
    """What the docstrings of a public class or function do not say."""
    text = inspect.cleandoc(each.__doc__ or "")
    if not inspect.isclass(each):
        return {name: lacking(inspect.signature(each), text, returns=True)}
    found = {name: lacking(inspect.signature(each), text, returns=False)}
    # A method that fills one of its base is described there.
    for called in (key for key, value in vars(each).items() if inspect.isfunction(value) and key[0] != "_"):
        found[f"{name}.{called}"] = [] if inspect.getdoc(getattr(each, called)) else ["a docstring"]
    call = getattr(each, "__call__", None)  # noqa: B004
    if inspect.isfunction(call) and call.__module__.startswith("interp."):
        found[f"{name}.__call__"] = lacking(inspect.signature(call), inspect.getdoc(call) or "", returns=True)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_docstrings_describe_every_argument_and_what_comes_back(page):
    module = importlib.import_module(f"interp.{page.stem}")
    public = {name: getattr(module, name) for name in module.__all__}
    described = {
        name: each
        for name, each in public.items()
        if callable(each) and not (inspect.isclass(each) and issubclass(each, BaseException))
    }
    found = {what: lacks for name, each in described.items() for what, lacks in undescribed(name, each).items()}
    assert {what: lacks for what, lacks in found.items() if lacks} == {}
    assert not [name for each in described.values() for name in inspect.signature(each).parameters if name[0] == "_"]


def test_what_a_docstring_lacks_is_found():
    def bare(first: int, second: int) -> int:
        """Add.

        Args:
            first: One of them.
        """

    assert undescribed("bare", bare) == {"bare": ["second", "Returns"]}


@pytest.mark.integration
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(BLOCK.findall(page.read_text(encoding="utf-8"))), page.name, "exec"), {})
