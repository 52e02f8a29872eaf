"""What we publish holds by our own gate."""

import re
import shlex
from pathlib import Path

import pytest
from safetensors.numpy import load_file
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


def test_published_weights_are_in_float16_and_40_megabytes_at_most():
    files = list(RESULTS.glob("*/checkpoints/*"))
    for file in files:
        assert file.stem in Store(file.parent.parent).with_weights(), "the state of an unfinished run"
        assert {array.dtype.name for array in load_file(file).values()} == {"float16"}
    assert sum(file.stat().st_size for file in files) <= 40e6


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split()[-1])
def test_a_published_command_is_that_of_its_rows(command, data_dir, monkeypatch):
    """Typed again it finds every one of its runs done."""
    monkeypatch.chdir(RESULTS.parent)
    _, *arguments = shlex.split(command.replace("\\\n", " "))
    told = CliRunner().invoke(app, [*arguments, "--dry-run", "--data-dir", str(data_dir)])
    assert told.output.splitlines()[-1].startswith("0 of "), told.output
