"""Which runs of a store were begun and have not ended, and how far they are."""

import json
from typing import NamedTuple

from rdbench.store.files import CHECKPOINTS, Storage


def states_of(storage: Storage) -> dict[str, list[str]]:
    """The files of the states in a store, by the id of their run."""
    states: dict[str, list[str]] = {}
    for name in storage.names(CHECKPOINTS, ".safetensors"):
        if ".unfinished-" in name:
            states.setdefault(name.split("/")[1].partition(".")[0], []).append(name)
    return states


def unfinished(storage: Storage) -> set[str]:
    """The ids of the runs that have a state in a store."""
    return set(states_of(storage))


class Progress(NamedTuple):
    """How far a state is: steps of training, then pieces of the evaluation; of two states the greater is further."""

    steps: int
    pieces: int


NOWHERE = Progress(-1, 0)
"""How far a file is that is no state."""


def progress(content: bytes) -> Progress:
    """How far a state is, by the header of its file."""
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        steps = json.loads(header["__metadata__"]["facts"])["step"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return NOWHERE
    pieces = sum(name.startswith("piece.") for name in header)
    return Progress(steps, pieces) if type(steps) is int else NOWHERE
