"""Runs that are noted before they are done."""

import pytest

from rdbench.store.location import open_storage
from rdbench.store.plans import announce, announced, missing

RUNS = {"a": "--- β 1", "b": "-+v β 1"}


@pytest.fixture
def storage(tmp_path):
    storage = open_storage(tmp_path)
    storage.prepare("plans")
    return storage


@pytest.mark.parametrize("command", ["rdbench sweep demo", "rdbench sweep --set 'dataset=my bits.npz'", "rdbench"])
def test_an_announced_run_that_is_not_finished_is_missing(storage, command):
    """A program that calls rdbench and has no arguments of its own leaves its name alone as the command."""
    announce(storage, "demo", command, RUNS)
    assert announced(storage) == RUNS
    assert missing(storage, {"a"}) == ([f"run b (-+v β 1) is missing; finish it with: {command}"], [])
    assert missing(storage, RUNS) == ([], [])
