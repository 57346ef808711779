"""Type checkers see what `import interp` offers, though most of it is imported when it is first used."""

import ast
from pathlib import Path
from types import ModuleType

import pytest

import interp

ROOT = Path(__file__).parents[1]


def test_names_that_are_imported_late_are_known_to_type_checkers():
    tree = ast.parse((ROOT / "interp/__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    known = {alias.asname for statement in block.body for alias in statement.names}
    assert known == set(interp.__all__) - {"InputError", "__version__", "share_cores_among_streams"}


@pytest.mark.slow
def test_mypy_knows_every_room_and_what_is_in_it(tmp_path, monkeypatch):
    api = pytest.importorskip("mypy.api")
    rooms = [name for name in interp.__all__ if isinstance(getattr(interp, name), ModuleType)]
    names = [*interp.__all__, *(f"{room}.{name}" for room in rooms for name in getattr(interp, room).__all__)]
    script = tmp_path / "script.py"
    lines = ["import interp", *(f"reveal_type(interp.{name})" for name in names), "interp.atacks"]
    script.write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.chdir(ROOT)
    output, _, _ = api.run(["--config-file", "pyproject.toml", str(script)])
    revealed = [line for line in output.splitlines() if "Revealed type is" in line]
    assert len(rooms) == 8
    assert len(revealed) == len(names)
    assert [line for line in revealed if 'is "Any"' in line] == []
    assert 'Module has no attribute "atacks"' in output
