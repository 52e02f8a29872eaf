"""The unfinished runs of a store, and how far each is."""

import json
from typing import NamedTuple

from rdbench.store.files import CHECKPOINTS, Storage


def states_of(storage: Storage) -> dict[str, list[str]]:
    """The files that hold states of unfinished runs, by run id."""
    states: dict[str, list[str]] = {}
    for name in storage.names(CHECKPOINTS, ".safetensors"):
        if ".unfinished-" in name:
            states.setdefault(name.split("/")[1].partition(".")[0], []).append(name)
    return states


def unfinished(storage: Storage) -> set[str]:
    """The ids of the runs that have a state in the store."""
    return set(states_of(storage))


class Progress(NamedTuple):
    """How far a state is: steps of training, then pieces of the evaluation. The greater of two is further along."""

    steps: int
    pieces: int


NOWHERE = Progress(-1, 0)
"""The progress of a file that is no state."""


def progress(content: bytes) -> Progress:
    """The progress of a state, from the header of its file."""
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        steps = json.loads(header["__metadata__"]["facts"])["step"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return NOWHERE
    pieces = sum(name.startswith("piece.") for name in header)
    return Progress(steps, pieces) if type(steps) is int else NOWHERE
