"""The rooms: imports point one way."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rdbench

ROOT = Path(rdbench.__file__).parent
FLOORS = ["errors", "config", "data models store", "measures", "runs selftest", "analysis execute", "cli"]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}


def rooms_imported(path):
    """The rooms that a file names in its imports, wherever in the file they stand."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "expected an import by its whole name"
            names = [f"{node.module}.{name}" for name in names]
        rooms = (name.split(".")[1] for name in names if name.startswith("rdbench."))
        yield from (name for name in rooms if (ROOT / name).exists() or (ROOT / f"{name}.py").exists())


PATHS = [ROOT / "errors.py", *sorted(ROOT.glob("*/**/*.py"))]


def test_every_form_of_import_is_seen(tmp_path):
    path = tmp_path / "forms.py"
    path.write_text(
        "import rdbench.cli\nif True:\n    from rdbench import data\n    from rdbench.store.store import Store"
    )
    assert list(rooms_imported(path)) == ["cli", "data", "store"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_from_the_floors_below(path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert all(other == room or FLOOR[other] < FLOOR[room] for other in rooms_imported(path))


def test_the_walks_of_the_map_count_files_that_are_there():
    walks = re.findall(r"^- \*\*A .*?\*\*, (\d+) files: (.*?)(?=^- |^$)", (ROOT / "README.md").read_text(), re.M | re.S)
    assert len(walks) == 3
    for told, walk in walks:
        files = set(re.findall(r"`([\w/]+\.py)`", walk))
        assert len(files) == int(told)
        assert all((ROOT / name).is_file() for name in files)


def modules_after(code):
    """What is loaded once ``code`` has run in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_command_line_alone_loads_neither_torch_nor_pandas():
    assert not {"torch", "pandas", "matplotlib", "pydantic"} & modules_after("import rdbench.cli")


@pytest.mark.parametrize(
    "module", ["analysis.plots", "analysis.report", "analysis.report.listing", "store.store", "execute.plan"]
)
def test_what_reads_a_store_loads_no_torch(module):
    assert "torch" not in modules_after(f"import rdbench.{module}")
