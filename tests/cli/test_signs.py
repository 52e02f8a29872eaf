"""Output on terminals that lack some signs, and the options that every command line has."""

import os
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from rdbench import __version__
from rdbench.cli import app


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_sign_that_an_encoding_lacks_is_written_in_letters(encoding):
    words = "−ELBO 1.0±0.1 at β ≤ 1 • ☃"
    code = f"from rdbench.cli.signs import replace_missing_signs as r; r(); print({words!r})"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
    expected = {
        "ascii": "-ELBO 1.0+-0.1 at beta <= 1 o ?",
        "latin-1": "-ELBO 1.0±0.1 at beta <= 1 o ?",
        "utf-8": words,
    }
    assert done.stdout.decode(encoding).rstrip() == expected[encoding]


def shown(*arguments):
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", done.output)


def test_help_has_a_short_name_everywhere():
    for command in ([], ["sweep"], ["report"], ["data"], ["data", "list"]):
        assert shown(*command, "-h") == shown(*command, "--help")


def test_the_version_and_completion():
    assert shown("--version") == f"rdbench {__version__}\n"
    assert "--install-completion" in shown("--help") and "--show-completion" in shown("--help")


def test_every_option_has_a_help_text_of_its_own():
    from typer.main import get_command

    def commands(command):
        for child in getattr(command, "commands", {}).values():
            yield child
            yield from commands(child)

    for command in commands(get_command(app)):
        for parameter in command.params:
            assert getattr(parameter, "help", "x"), f"{command.name} {parameter.name}"
            assert "README" not in (getattr(parameter, "help", "") or "")
