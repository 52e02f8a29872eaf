"""A step of training recorded once as a CUDA graph, and replayed from then on."""

from collections.abc import Callable

import torch

from rdbench.runs.memory import InParts

WARM_UP = 3
"""Steps done before a graph is recorded; the first of them allocate memory that all later ones use."""


class Captured:
    """Does steps of training: the first few without a CUDA graph, all others by replaying one.

    A graph works on the very tensors that it recorded. Call ``begin_anew`` after one of them was replaced. A step that
    is not ``graphable``, or whose graph does not fit in memory, is done without a graph.
    """

    def __init__(self, eager: InParts) -> None:
        self.eager = eager
        self.has_room = True
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget the graph, and record another after the next few steps."""
        self.graph: torch.cuda.CUDAGraph | None = None
        self.warmed = 0

    def __call__(self, say: Callable[[str], None]) -> None:
        """Do the next step.

        Raises:
            OutOfMemoryError: memory is too small for one image.
        """
        if self.graph is None and self.warmed == WARM_UP and self.has_room and self.eager.step.graphable:
            self._record(say)
        if self.graph is not None:
            self.graph.replay()
        elif self.warmed < WARM_UP:
            self._warm_up(say)
        else:
            self.eager(say)

    def _warm_up(self, say: Callable[[str], None]) -> None:
        """Do a step on a stream of its own, as recording needs."""
        stream, main = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(main)
        with torch.cuda.stream(stream):
            self.eager(say)
        main.wait_stream(stream)
        self.warmed += 1

    def _record(self, say: Callable[[str], None]) -> None:
        """Record the next step without doing it."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self.eager.step()
        except torch.OutOfMemoryError:
            self.has_room = False
            say("out of GPU memory for the graph of a step: going on without one")
        else:
            self.graph = graph
