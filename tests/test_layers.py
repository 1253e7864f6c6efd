"""One direction of imports, toyenvs ← proofs_check ← analysis, and a quick `import toyenvs`."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("toyenvs", "proofs_check", "analysis")
"""From the bottom up: a layer may import itself and what comes before it."""


def imports(tree: ast.AST, package: str) -> list[tuple[str, bool]]:
    """Every imported module, dotted, with whether the import stands inside a function."""
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, inside: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend((alias.name, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A relative import stays in its own package, whatever its level.
            found.append((node.module or package if node.level == 0 else package, inside))
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, inside or is_function)

    visit(tree, False)
    return found


def violations(root: Path) -> list[str]:
    """What the sources under ``root`` import and should not."""
    wrong = []
    for layer in LAYERS:
        above = LAYERS[LAYERS.index(layer) + 1 :]
        for path in sorted((root / layer).rglob("*.py")):
            where = path.relative_to(root).as_posix()
            for module, inside in imports(ast.parse(path.read_text(encoding="utf-8")), layer):
                top = module.split(".")[0]
                if top in above or top == "tests":
                    wrong.append(f"{where} imports {module} from a layer above it")
                if top in ("sympy", "flint") and layer != "proofs_check":
                    wrong.append(f"{where} imports {module}; symbols live in proofs_check only")
                if "pyplot" in module:
                    wrong.append(f"{where} imports {module}, whose figures are global")
                elif top in ("matplotlib", "mpl_toolkits", "tueplots"):
                    lazy = where == "toyenvs/envs/rendering.py" and inside
                    if not where.startswith("analysis/figures/") and not lazy:
                        wrong.append(f"{where} imports {module}; figures are drawn in analysis/figures only")
    return wrong


def test_imports_go_downwards_only() -> None:
    assert violations(ROOT) == []


def rooms(package: str) -> dict[str, set[str]]:
    """Which room of a package imports which: a room is a folder, or a file that lies directly in the package."""
    sources = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((ROOT / package).rglob("*.py"))
    }

    def room(module: str) -> str:
        while module not in sources:
            module = module.rpartition(".")[0]
        is_room = sources[module].name == "__init__.py" or module.count(".") == 1
        return module if is_room else module.rpartition(".")[0]

    found: dict[str, set[str]] = {}
    for module, path in sources.items():
        names = {
            f"{node.module}.{alias.name}"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0
            for alias in node.names
        }
        imported = {room(name) for name in names if name.split(".")[0] == package}
        found.setdefault(room(module), set()).update(imported - {room(module)})
    return found


@pytest.mark.parametrize("package", LAYERS)
def test_rooms_import_downwards_only(package: str) -> None:
    graph = rooms(package)
    assert len(graph) > 5
    assert list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names the rooms


def test_the_readers_assertions_know_no_claims() -> None:
    graph = rooms("proofs_check")
    assert graph["proofs_check.testing"] == set()
    assert graph["proofs_check.exact"] <= {"proofs_check.symbolic"}
    assert graph["proofs_check.proving"] <= {"proofs_check.claim", "proofs_check.symbolic"}


def test_every_folder_has_a_charter_of_one_line() -> None:
    folders = [path for layer in LAYERS for path in (ROOT / layer).rglob("__init__.py")]
    assert len(folders) > 20
    for path in folders:
        charter = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert charter, path
        first = charter.splitlines()[0]
        assert first.endswith("."), path


def test_the_page_on_the_architecture_has_every_room_of_the_harness() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms_there = {path.name for path in (ROOT / "analysis").iterdir() if (path / "__init__.py").exists()}
    assert {name for name in rooms_there if f"`{name}/`" not in page} == set()


def test_drawing_needs_no_learner() -> None:
    program = (
        "import sys, analysis.figures\n"
        "print(*sorted({'torch', 'sympy', 'hypothesis', 'flint', 'toyenvs', 'proofs_check'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


@pytest.mark.parametrize(
    ("file", "source", "word"),
    [
        ("toyenvs/a.py", "import proofs_check.symbolic.components", "above"),
        ("toyenvs/a.py", "def f():\n    from analysis import cli", "above"),
        ("proofs_check/a.py", "from analysis.cli.main import main", "above"),
        ("analysis/a.py", "from tests.conftest import x", "above"),
        ("toyenvs/deep/a.py", "def f():\n    import sympy", "symbols"),
        ("analysis/a.py", "from sympy import Matrix", "symbols"),
        ("analysis/a.py", "def f():\n    import matplotlib.style", "figures"),
        ("analysis/figures/a.py", "def f():\n    import matplotlib.pyplot as plt", "global"),
        ("toyenvs/envs/rendering.py", "import matplotlib", "figures"),
        ("proofs_check/a.py", "class A:\n    import matplotlib", "figures"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, file: str, source: str, word: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    (violation,) = violations(tmp_path)
    assert violation.startswith(file)
    assert word in violation


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("toyenvs/envs/rendering.py", "def draw():\n    from matplotlib.figure import Figure"),
        ("analysis/figures/a.py", "import matplotlib as mpl\nimport toyenvs, proofs_check"),
        ("proofs_check/a.py", "import sympy\nfrom toyenvs import algebra"),
        ("toyenvs/a.py", "from . import algebra\nfrom .learners import losses"),
    ],
)
def test_an_allowed_import_is_left_alone(tmp_path: Path, file: str, source: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    assert violations(tmp_path) == []


def test_importing_toyenvs_loads_neither_symbols_nor_figures() -> None:
    # A fresh interpreter, because the test process has long imported both; and every module, because the package
    # itself is nearly empty.
    program = (
        "import importlib, pkgutil, sys, toyenvs\n"
        "for module in pkgutil.walk_packages(toyenvs.__path__, 'toyenvs.'):\n"
        "    importlib.import_module(module.name)\n"
        "assert 'toyenvs.learners.descent' in sys.modules\n"
        "print(*sorted({'sympy', 'matplotlib', 'hypothesis', 'proofs_check', 'analysis'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
