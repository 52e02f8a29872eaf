"""What a run asks of where it runs."""

import logging
from typing import Protocol

DEVICES = ("auto", "cpu", "cuda")

log = logging.getLogger("rdbench")


class StoppedError(Exception):
    """A run was asked to stop; what it had done is kept."""


class Host(Protocol):
    """Where a run runs: it shows how far the run is, passes on what the run has to say, and may ask it to stop."""

    def progress(self, stage: str, done: int, total: int, numbers: str) -> None:
        """``done`` of ``total`` of a stage are done; ``numbers`` are those so far, in words."""

    def say(self, line: str) -> None:
        """A line that a user should see."""

    def stop_asked(self) -> bool:
        """Whether the run is to keep what it has done and stop.

        Raises:
            StoppedError: it is to stop and to keep nothing: another process has taken it over.
        """


class QuietHost:
    """Shows nothing, logs what is said, never asks to stop."""

    def progress(self, stage: str, done: int, total: int, numbers: str) -> None:
        """Nothing to be seen."""

    def say(self, line: str) -> None:
        """Logged as a warning."""
        log.warning(line)

    def stop_asked(self) -> bool:
        """Never."""
        return False
