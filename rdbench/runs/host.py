"""The host of a run: it shows the run's progress and may stop it."""

import logging
from typing import Protocol

DEVICES = ("auto", "cpu", "cuda")

CHECKPOINT_SECONDS = 60.0
"""The seconds between two saved states of a run; an interrupted run loses at most the work since the last one."""

log = logging.getLogger("rdbench")


class StoppedError(Exception):
    """A run was asked to stop; its state is saved."""


class Host(Protocol):
    """Shows a run's progress, passes on its messages, and may ask it to stop."""

    def progress(self, stage: str, done: int, total: int, numbers: str) -> None:
        """Show that ``done`` of ``total`` parts of a stage are done; ``numbers`` is a text with the measures so far."""

    def say(self, line: str) -> None:
        """Show a message to the user."""

    def stop_asked(self) -> bool:
        """Whether the run should save its state and stop.

        Raises:
            StoppedError: another process has taken the run over, so it must stop without saving.
        """


class QuietHost:
    """Shows nothing, logs messages, never asks to stop."""

    def progress(self, stage: str, done: int, total: int, numbers: str) -> None:
        """Do nothing."""

    def say(self, line: str) -> None:
        """Log a warning."""
        log.warning(line)

    def stop_asked(self) -> bool:
        """Never."""
        return False
