"""What can become of a run."""

from enum import StrEnum


class Status(StrEnum):
    """The first four are of runs that have a row in the store, the others of runs that have none yet.

    ``OK`` and ``UNTRAINED`` runs were measured; the untrained one does worse than a model that has learned nothing.
    ``DIVERGED`` runs lost finite numbers. These three give the same result when they are done again; a ``FAILED`` run
    met a fault of the machine, and is tried again by the next sweep.
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
