"""When the state of a run is saved."""

import time
from collections.abc import Callable, Mapping

import numpy as np
import torch

from rdbench.measures.bounds import Arrays, Piece
from rdbench.runs.checkpoint import Checkpoint
from rdbench.runs.host import Host, StoppedError
from rdbench.runs.pieces import Pieces
from rdbench.runs.state import State
from rdbench.runs.training import Training


class Keeper:
    """Saves the state of a run every ``seconds``, and once more before it stops."""

    def __init__(
        self, training: Training, pieces: Pieces, host: Host, checkpoint: Checkpoint | None, seconds: float
    ) -> None:
        self.training = training
        self.pieces = pieces
        self.host = host
        self.checkpoint = checkpoint
        self.seconds = seconds
        self.kept = time.monotonic()

    def between(self) -> None:
        """Save or stop if it is time to; called after a step, or after a piece of the evaluation.

        Raises:
            StoppedError: the host asked the run to stop.
        """
        stopping = self.host.stop_asked()
        if self.checkpoint and (stopping or time.monotonic() - self.kept > self.seconds):
            self.checkpoint.save(self._state())
            self.kept = time.monotonic()
        if stopping:
            raise StoppedError

    def piece(self, stage: str) -> Piece:
        """A function that computes the pieces of a stage of the evaluation and remembers each."""

        def remembered(name: str, lengths: Mapping[str, int], compute: Callable[[], Arrays]) -> Arrays:
            arrays, new = self.pieces.get(f"{stage}/{name}", compute)
            if new:
                self.between()
            elif self.checkpoint and not _fits(arrays, lengths):
                raise self.checkpoint.unusable(f"its piece {stage}/{name} is of another evaluation")
            return arrays

        return remembered

    def progress(self, stage: str) -> Callable[[int, int], None]:
        """A function that shows the progress of a stage, and stops within a piece, whose work is then lost."""

        def show(done: int, total: int) -> None:
            self.host.progress(stage, done, total, "")
            if self.host.stop_asked():
                self.between()

        return show

    def _state(self) -> State:
        training, pieces = self.training.state(), self.pieces.state()
        here = {"device": self.training.device.type, "threads": torch.get_num_threads()}  # they change rounding
        return State({**training.tensors, **pieces.tensors}, {**training.facts, **pieces.facts, **here})


def _fits(arrays: Arrays, lengths: Mapping[str, int]) -> bool:
    """Whether remembered arrays have the lengths of a piece; others would be broadcast, or fail far from here."""
    expected = {name: ((length,), np.dtype(np.float64)) for name, length in lengths.items()}
    return {name: (array.shape, array.dtype) for name, array in arrays.items()} == expected
