"""The layers: imports point one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rdbench

ROOT = Path(rdbench.__file__).parent
BELOW = {  # a room and what it may import, besides itself
    "errors": set(),
    "family": {"errors"},
    "config": {"errors", "family"},
    "sweep": {"config", "errors", "family"},
    "data": {"errors", "family"},
    "nn": set(),
    "distributions": {"nn"},
    "models": {"nn", "distributions", "family"},
    "images": {"data"},
    "objectives": {"config", "models"},
    "evaluate": {"models", "images"},
    "information": {"distributions", "evaluate", "images", "models"},
    "train": {"config", "models", "images", "objectives", "evaluate", "state", "totals"},
    "totals": {"models"},
    "storage": {"errors"},
    "state": {"errors"},
    "rows": {"config", "errors"},
    "host": set(),
    "announced": {"errors", "schema", "storage"},
    "checkpoint": {"errors", "state", "storage"},
    "claims": {"storage"},
    "stopping": {"errors"},
    "pieces": {"evaluate", "state"},
    "schema": {"config"},
    "table_files": {"errors", "schema", "storage"},
    "store": {"errors", "rows", "schema", "storage", "table_files"},
    "plan": {"config", "data", "errors"},
    "reference": {"family"},
    "tables": {"config", "family"},
    "plots": {"config", "data", "errors", "family", "reference", "rows", "samples", "store", "tables", "toy"},
    "report": {
        "announced",
        "checkpoint",
        "claims",
        "config",
        "errors",
        "family",
        "plots",
        "reference",
        "store",
        "tables",
        "toy",
    },
    "provenance": {"config", "storage"},
    "progress": {"errors"},
    "run": {
        "checkpoint",
        "config",
        "data",
        "errors",
        "evaluate",
        "host",
        "images",
        "information",
        "models",
        "pieces",
        "provenance",
        "schema",
        "state",
        "totals",
        "train",
    },
    "toy": {"config", "data", "host", "models", "objectives", "provenance", "schema", "train"},
    "selftest": {"data", "errors", "evaluate", "family", "information", "models", "toy"},
    "execute": {
        "announced",
        "checkpoint",
        "claims",
        "config",
        "data",
        "errors",
        "family",
        "host",
        "plan",
        "progress",
        "provenance",
        "report",
        "rows",
        "run",
        "schema",
        "stopping",
        "storage",
        "store",
        "sweep",
        "table_files",
        "tables",
        "toy",
    },
    "merge": {"checkpoint", "errors", "schema", "storage", "store"},
    "reevaluate": {
        "data",
        "errors",
        "evaluate",
        "family",
        "images",
        "provenance",
        "run",
        "samples",
        "rows",
        "schema",
        "store",
    },
    "samples": {"data", "errors", "images", "models", "rows", "run", "store"},
    "sweeps": set(),
}


def rooms_imported(path):
    """The rooms of rdbench that a file names in its imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "rdbench":
            parts = node.module.split(".")
            yield from (
                [parts[1]]
                if len(parts) > 1
                else [
                    alias.name
                    for alias in node.names
                    if (ROOT / alias.name).exists() or (ROOT / f"{alias.name}.py").exists()
                ]
            )


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if room in ("cli", "__main__", "__init__"):
        return
    assert set(rooms_imported(path)) <= BELOW[room] | {room}


def modules_after(code):
    """What is loaded once ``code`` has run in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_command_line_alone_loads_neither_torch_nor_pandas():
    assert not {"torch", "pandas", "matplotlib", "pydantic"} & modules_after("import rdbench.cli")


def test_plots_and_reports_load_no_torch():
    assert "torch" not in modules_after("import rdbench.plots, rdbench.report, rdbench.store, rdbench.plan")
