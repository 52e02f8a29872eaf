"""The registry: each line leads to what it names, and the commands list every one."""

import pytest
from typer.testing import CliRunner

from rdbench.cli import app
from rdbench.config.parts import KINDS, OWN, names
from rdbench.config.plugins import make


@pytest.mark.parametrize("part", OWN, ids=lambda part: f"{part.kind}-{part.name}")
def test_a_line_leads_to_what_it_names_and_says_what_it_is(part):
    assert callable(make(part.kind, part.name))
    assert part.kind in KINDS and part.help and "\n" not in part.help and part.draws


def test_every_part_is_listed_with_its_line():
    lines = CliRunner().invoke(app, ["families"]).stdout.splitlines()
    for part in OWN:
        (line,) = (line for line in lines if line.split()[:2] == [part.kind, part.name])
        assert line.rstrip().endswith(part.help)


def test_every_setting_of_a_part_is_listed_with_its_default_and_its_meaning():
    lines = CliRunner().invoke(app, ["families"]).stdout.splitlines()
    for part in OWN:
        for own in part.settings:
            told = (part.name, str(own.default), own.help, *own.choices)
            assert any(line.split()[:1] == [own.name] and all(word in line for word in told) for line in lines)
    assert any(line.split()[0] == "grid" and "≥ 1, ≤ 14" in line for line in lines if line)


@pytest.mark.parametrize(
    ("kind", "command", "option"), [("figure", "plot", "--kind"), ("executor", "sweep", "--executor")]
)
def test_a_command_takes_each_name_and_refuses_others(kind, command, option):
    told = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "1000"}, terminal_width=1000).stdout
    (line,) = (line for line in told.splitlines() if option in line.split())
    assert all(name in line for name in names(kind))
