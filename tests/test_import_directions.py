"""Reads, without importing anything, who imports whom inside interp/ and tools/, and looks for what the library does without.

`ROOMS` is the rule; `docs/architecture.md` tells the reasons.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

PACKAGE = Path(__file__).parents[1] / "interp"
TOOLS = [path for path in sorted((PACKAGE.parent / "tools").iterdir()) if (path / "__init__.py").is_file()]

# Each room and the rooms that it may know. Modules directly under interp/ know all, and no room knows them.
FOUNDATIONS = {"core", "data", "models", "attributions", "discrepancy"}
ROOMS: dict[str, set[str]] = {
    "core": set(),
    "data": {"core"},
    "models": {"core", "data"},
    "attributions": {"core", "data", "models"},
    "discrepancy": {"core", "data", "models"},
    "attacks": FOUNDATIONS,
    "training": FOUNDATIONS | {"attacks"},
    "evaluation": FOUNDATIONS | {"attacks"},
    "report": FOUNDATIONS | {"attacks", "training", "evaluation"},
    "commands": FOUNDATIONS | {"attacks", "training", "evaluation", "report"},
}
SVG = "{http://www.w3.org/2000/svg}"
PRIVATE = ("keras.src", "tensorflow.python", "tf.python", "tf_keras")
# What lies beside the package and is not in the wheel.
BESIDE = {"tests", "tools", "benchmarks", *(tool.name for tool in TOOLS)}


def violations(package: Path) -> list[str]:
    """One line, `path:line: what is wrong`, for everything under the folder `package` that breaks a rule."""
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        lines = [*_wrong_imports(tree, parts), *_wrong_constructs(tree)]
        found += [f"{path.relative_to(package.parent)}:{line}: {what}" for line, what in sorted(lines)]
    return found


def _wrong_imports(tree: ast.AST, parts: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    package = parts[0]
    room = parts[1] if len(parts) > 2 else None
    if room is not None and room not in ROOMS:
        yield 1, f"the room {room} is not in ROOMS: say there what it may know"
        return
    for node in ast.walk(tree):
        for name in _imported(node, parts):
            if _is_private(name):
                yield node.lineno, f"imports {name}: only public keras and tensorflow names"
            if package == PACKAGE.name and name.split(".")[0] in BESIDE:
                yield node.lineno, f"imports {name}: it is not in the wheel"
            if room is None or name.split(".")[0] != package or name == f"{package}.__version__":
                continue
            other = [*name.split("."), ""][1]
            if other not in {room, *ROOMS[room]}:
                yield node.lineno, f"{room} may not import {name}"


def _imported(node: ast.AST, parts: tuple[str, ...]) -> list[str]:
    """Absolute dotted names that an import statement brings in; `from a import b` may mean the module a.b or a name in a."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = [*parts[: -node.level]] if node.level else []
        base += [node.module] if node.module else []
        return [".".join([*base, alias.name]) for alias in node.names]
    return []


def _wrong_constructs(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Assert():
                yield node.lineno, "assert: raise ValueError with a message instead, python -O removes assertions"
            case ast.ExceptHandler(type=None):
                yield node.lineno, "bare except: name the exception"
            case ast.Call(func=ast.Name(id="hasattr")):
                yield node.lineno, "hasattr: a class is abstract or final, ask for its type"
            case ast.Attribute() if (name := ast.unparse(node)) in PRIVATE:
                yield node.lineno, f"uses {name}: only public keras and tensorflow names"


def _is_private(name: str) -> bool:
    return any(name == private or name.startswith(f"{private}.") for private in PRIVATE)


@pytest.mark.parametrize("package", [PACKAGE, *TOOLS], ids=lambda package: package.name)
def test_the_packages_keep_the_rules(package: Path) -> None:
    assert violations(package) == []


def test_the_picture_of_the_architecture_shows_the_rules() -> None:
    picture = ElementTree.parse(PACKAGE.parent / "docs" / "images" / "architecture.svg")
    rooms = [group.attrib["id"] for group in picture.iter(f"{SVG}g") if "id" in group.attrib]
    arrows = [
        (path.attrib["data-from"], path.attrib["data-to"])
        for path in picture.iter(f"{SVG}path")
        if "data-from" in path.attrib
    ]

    def reached(room: str) -> set[str]:
        nearest = {to for start, to in arrows if start == room}
        return nearest.union(*map(reached, nearest))

    assert sorted(rooms) == sorted(ROOMS)
    assert {room: reached(room) for room in rooms} == ROOMS


def test_it_looks_in_the_right_place() -> None:
    assert (PACKAGE / "core" / "__init__.py").is_file()
    assert "results_pages" in BESIDE


@pytest.mark.parametrize(
    ("module", "line", "complaint"),
    [
        ("core/lp.py", "from interp.models import network", "core may not import interp.models.network"),
        ("core/lp.py", "import interp", "core may not import interp"),
        ("core/lp.py", "from interp import load_model", "core may not import interp.load_model"),
        ("data/mnist.py", "from interp import models", "data may not import interp.models"),
        ("data/mnist.py", "import interp.models.network as network", "data may not import interp.models.network"),
        ("models/network.py", "def late():\n    from ..attacks import pgd", "models may not import interp.attacks.pgd"),
        (
            "attributions/cam.py",
            "from interp.discrepancy import rank",
            "attributions may not import interp.discrepancy.rank",
        ),
        (
            "discrepancy/rank.py",
            "from ..attributions.cam import cam",
            "discrepancy may not import interp.attributions.cam.cam",
        ),
        (
            "attacks/unforeseen/fog.py",
            "from ...evaluation import sample",
            "attacks may not import interp.evaluation.sample",
        ),
        ("attacks/__init__.py", "from ..training import trainer", "attacks may not import interp.training.trainer"),
        ("training/trainer.py", "from interp.evaluation import roar", "training may not import interp.evaluation.roar"),
        (
            "evaluation/roar.py",
            "from interp.training import trainer",
            "evaluation may not import interp.training.trainer",
        ),
        ("report/html.py", "from interp.demo import main", "report may not import interp.demo.main"),
        ("helpers/misc.py", "import numpy", "the room helpers is not in ROOMS"),
        ("report/page.py", "from results_pages.evidence import Sources", "it is not in the wheel"),
        ("demo.py", "from tests import model_kinds", "it is not in the wheel"),
        ("models/network.py", "from keras.src.layers import Dense", "imports keras.src.layers.Dense"),
        ("demo.py", "from keras import src", "imports keras.src"),
        ("models/network.py", "import tensorflow.python.ops as ops", "imports tensorflow.python.ops"),
        ("models/network.py", "from tensorflow import python", "imports tensorflow.python"),
        ("models/network.py", "import tf_keras", "imports tf_keras"),
        ("models/network.py", "import keras\nkeras.src.backend.clear()", "uses keras.src"),
        ("core/lp.py", "assert True", "assert"),
        ("core/lp.py", "try:\n    pass\nexcept:\n    pass", "bare except"),
        ("demo.py", "hasattr(object, 'x')", "hasattr"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, module: str, line: str, complaint: str) -> None:
    found = violations(_package(tmp_path, module, line))
    assert len(found) == 1
    assert found[0].startswith(f"interp/{module}:")
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("core/lp.py", "import tensorflow as tf\nfrom interp.core.checks import check\nfrom . import seeds"),
        ("attacks/unforeseen/fog.py", "from ...core import lp\nfrom ..pgd import step\nfrom .gabor import noise"),
        ("models/pickles.py", "from interp.data import find_dataset"),
        ("attacks/isa.py", "from interp.attributions import cam\nfrom interp.discrepancy import rank"),
        ("training/trainer.py", "from interp.data import mnist\nfrom interp.attacks import pgd\nimport keras.layers"),
        ("report/html.py", "from interp.training import trainer\nfrom ..evaluation import roar"),
        ("demo.py", "import interp\nfrom interp.report import html\nfrom .training import trainer\nimport kerassrc"),
        ("evaluation/store.py", "from interp import __version__"),
        ("core/lp.py", "try:\n    pass\nexcept ValueError:\n    pass\ngetattr(object, 'x', None)"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, module: str, line: str) -> None:
    assert violations(_package(tmp_path, module, line)) == []


def _package(folder: Path, module: str, text: str) -> Path:
    path = folder / "interp" / module
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return folder / "interp"
