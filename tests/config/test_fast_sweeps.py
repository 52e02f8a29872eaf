"""Sweeps that take hours where the paper's protocol takes months."""

import re
from pathlib import Path

import pytest

import rdbench
from rdbench.analysis.paper import printed_points
from rdbench.config.family import FAMILIES
from rdbench.config.run_config import RunConfig
from rdbench.config.sweep import load_sweep


@pytest.mark.parametrize(("fast", "whole"), [("mnist-fast", "mnist"), ("omniglot-fast", "omniglot-small")])
def test_the_table_of_a_fast_sweep_lists_all_in_which_it_differs_from_the_paper(fast, whole):
    """Every key of a run, but for what each sweep asks for: families, β and seeds."""
    page = (Path(rdbench.__file__).parent / "runs" / "README.md").read_text()
    section = page.partition("\n## Protocols that take hours\n")[2].partition("\n## ")[0]
    headers, *lines = [line.split(" | ") for line in re.findall(r"^\| (.*) \|$", section, re.MULTILINE)]
    column = headers.index(f"`{fast}`")
    listed = {line[0].strip("`"): (line[1], line[column]) for line in lines}
    fast_runs, whole_runs = load_sweep(fast).runs(), load_sweep(whole).runs()
    keys = set(RunConfig.model_fields) - {"encoder", "decoder", "marginal", "beta", "seed"}
    found = {key: (told(whole_runs, key), told(fast_runs, key)) for key in keys}
    assert {key: both for key, both in found.items() if both[0] != both[1]} == listed
    assert {run.family for run in fast_runs} == set(FAMILIES)


def told(runs, key):
    """The values that runs have of a key, in words."""
    values = sorted({getattr(run, key) for run in runs}, key=str)
    listed = [one for value in values for one in (value if isinstance(value, tuple) else (value,))]
    return ", ".join(f"{value:g}" if isinstance(value, int | float) else str(value) for value in listed)


def test_a_fast_sweep_asks_for_the_printed_points():
    """Less those on whose β the sources disagree."""
    asked = {(run.family.words, run.beta, run.anneal_epochs > 0) for run in load_sweep("mnist-fast").runs()}
    printed = printed_points()
    printed = printed[(printed["dataset"] == "mnist") & ~printed["note"].str.contains("do not gate")]
    assert len(printed) > 20
    assert set(zip(printed["family"], printed["beta"], printed["annealed"], strict=True)) <= asked
