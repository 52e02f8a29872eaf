"""The statuses of a run."""

from enum import StrEnum


class Status(StrEnum):
    """The status of a run. Runs with one of the first four have a row in the store, all others have none yet.

    ``OK`` and ``UNTRAINED`` runs were measured; an untrained run does worse than a model that has learned nothing.
    The loss of a ``DIVERGED`` run was no longer finite. Doing these runs again would give the same result. A ``FAILED``
    run met a fault of the machine, and the next sweep tries it again.
    """

    OK = "ok"
    UNTRAINED = "untrained"
    DIVERGED = "diverged"
    FAILED = "failed"
    RUNNING = "running"
    UNFINISHED = "unfinished"
    MISSING = "missing"


OF_ROWS = (Status.OK, Status.UNTRAINED, Status.DIVERGED, Status.FAILED)
"""The statuses that a row may have."""
