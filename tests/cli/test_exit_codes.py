"""Exit codes have one declaration; pages, helps and calls keep to it."""

import ast
import re
import signal
import sys
from pathlib import Path

import pytest
from typer.main import get_command

import rdbench
from rdbench.cli import app
from rdbench.errors import MEANINGS, ExitCode

ROOT = Path(rdbench.__file__).parent
PAGE = (ROOT / "cli" / "README.md").read_text()


def test_the_page_has_every_code_with_its_meaning():
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    for code in ExitCode:
        line = (str(int(code)), code.name, MEANINGS[code])
        assert line in rows, f"rdbench/cli/README.md: add the line\n| {code:d} | `{code.name}` | {MEANINGS[code]} |"
    assert len(rows) == len(ExitCode)


def test_a_signal_gives_128_and_its_number_as_in_a_shell():
    assert ExitCode(128 + signal.SIGINT) is ExitCode.INTERRUPTED
    assert ExitCode(128 + signal.SIGTERM) is ExitCode.TERMINATED


@pytest.mark.parametrize("name", ["sweep", "report", "selftest", "runs", "toy"])
def test_a_help_names_declared_codes_only(name):
    told = get_command(app).commands[name].help
    (paragraph,) = re.findall(r"Exit codes.*?(?:\n\n|$)", told, re.DOTALL)
    assert {int(code) for code in re.findall(r"\b\d+\b", paragraph)} <= set(ExitCode)


@pytest.mark.parametrize("page", ["execute", "analysis/report", "analysis/plots", "measures"])
def test_another_page_names_declared_codes_only(page):
    told = re.findall(r"exit(?:s|ed)? (?:code )?with (\d+)|exit code (\d+)", (ROOT / page / "README.md").read_text())
    assert told and {int(code) for found in told for code in found if code} <= set(ExitCode)


def test_no_command_ends_with_a_number_of_its_own():
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("typer.Exit", "sys.exit", "exit"):
                numbers = [part for part in ast.walk(node) if isinstance(part, ast.Constant) and part.value is not None]
                assert not numbers, f"{path}:{node.lineno}: use rdbench.errors.ExitCode"


def test_a_system_that_is_not_supported_is_told_in_a_line(monkeypatch, rdbench_command):
    monkeypatch.setattr(sys, "platform", "win32")
    code, said, told = rdbench_command("families")
    assert (code, said) == (ExitCode.USAGE, "")
    assert told.startswith("rdbench: found Windows; expected Linux or macOS") and told.count("\n") == 1
