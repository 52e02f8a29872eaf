"""What we publish holds by our own gate."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rdbench.analysis.report import assemble
from rdbench.cli import app
from rdbench.store.store import Store

RESULTS = Path(__file__).parent.parent / "results"
COMMANDS = re.findall(r"^    (rdbench sweep (?:.*\\\n)*.*)", (RESULTS / "README.md").read_text(), re.MULTILINE)
STORES = sorted(path.parent for path in RESULTS.glob("*/runs"))


@pytest.mark.parametrize("folder", STORES, ids=lambda folder: folder.name)
def test_a_published_store_passes_the_gate(folder):
    report = assemble(Store(folder), [], [], None, None)
    assert report.exit_code == 0, [*report.regressions, *report.problems]
    assert not list(folder.glob("checkpoints/*"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split()[-1])
def test_a_published_command_is_that_of_its_rows(command, data_dir, monkeypatch):
    """Typed again it finds every one of its runs done."""
    monkeypatch.chdir(RESULTS.parent)
    _, *arguments = shlex.split(command.replace("\\\n", " "))
    told = CliRunner().invoke(app, [*arguments, "--dry-run", "--data-dir", str(data_dir)])
    assert told.output.splitlines()[-1].startswith("0 of "), told.output
