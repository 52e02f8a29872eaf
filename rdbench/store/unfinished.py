"""Which runs of a store were begun and have not ended: the names of their states, without reading them."""

from rdbench.store.files import CHECKPOINTS, Storage


def states_of(storage: Storage) -> list[tuple[str, str]]:
    """Every file of a state in a store, with the id of its run."""
    names = storage.names(CHECKPOINTS, ".safetensors")
    return [(name, name.split("/")[1].partition(".")[0]) for name in names if ".unfinished-" in name]


def unfinished(storage: Storage) -> set[str]:
    """The ids of the runs that have a state in a store."""
    return {run_id for _, run_id in states_of(storage)}
