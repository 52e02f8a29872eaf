"""An evaluation in pieces, so that an interrupted one goes on after its last finished piece."""

from collections.abc import Callable
from typing import Any

import torch

from rdbench.measures.bounds import Arrays
from rdbench.runs.clock import working_seconds
from rdbench.runs.state import State, random_state, set_random_state


class Pieces:
    """The finished pieces by name, and the state of torch's generators after the last one."""

    def __init__(self, device: torch.device, seed: int) -> None:
        self.device = device
        self.seed = seed
        self.done: dict[str, Arrays] = {}
        self.seconds = 0.0
        self.started = working_seconds()
        self.random: dict[str, torch.Tensor] = {}

    def begin(self) -> None:
        """Begin the evaluation, or go on with it."""
        self.started = working_seconds()
        if self.done:
            set_random_state(self.random, self.device)
        else:
            torch.manual_seed(self.seed)

    def get(self, name: str, compute: Callable[[], Arrays]) -> tuple[Arrays, bool]:
        """The arrays of a piece, and whether they were computed now rather than remembered."""
        if name in self.done:
            return self.done[name], False
        self.done[name] = compute()
        self.random = random_state(self.device)
        now = working_seconds()
        self.seconds, self.started = self.seconds + now - self.started, now
        return self.done[name], True

    def state(self) -> State:
        """The finished pieces as a state."""
        tensors = {
            f"piece.{name}.{key}": torch.from_numpy(array)
            for name, arrays in self.done.items()
            for key, array in arrays.items()
        }
        tensors |= {f"evaluation.{name}": value for name, value in self.random.items()}
        return State(tensors, {"eval_seconds": self.seconds})

    def restore(self, state: State) -> None:
        """Restore what ``state`` gave.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: it is no such state.
        """
        done: dict[str, dict[str, Any]] = {}
        for label, value in state.part("piece").items():
            name, _, key = label.rpartition(".")
            done.setdefault(name, {})[key] = value.numpy()
        self.done = dict(done)
        self.random = state.part("evaluation")
        self.seconds = float(state.facts["eval_seconds"])
        if self.done:
            now = random_state(self.device)
            set_random_state(self.random, self.device)  # raises if it is no generator's state
            set_random_state(now, self.device)
