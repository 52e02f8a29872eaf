"""What is done of a judgement of a finished run, kept in its store until all of it is."""

from collections.abc import Callable, Mapping

import numpy as np
import torch

from rdbench.measures.bounds import Arrays
from rdbench.runs.state import State, UnreadableStateError
from rdbench.store.files import CHECKPOINTS, Storage, cannot_read, cannot_write


class KeptPieces:
    """Pieces by name, each written once it is done; ``judge`` says in words what they are pieces of.

    A file of another judge, or one that is damaged, is replaced.
    """

    def __init__(self, storage: Storage, run_id: str, judge: str) -> None:
        self.storage = storage
        self.name = f"{CHECKPOINTS}/{run_id}.judged.safetensors"
        self.facts = {"run_id": run_id, "judge": judge}
        self.tensors: dict[str, torch.Tensor] = {}
        try:
            state = State.from_bytes(storage.read(self.name))
        except (FileNotFoundError, UnreadableStateError):
            return
        except OSError as error:
            raise cannot_read(f"{storage}/{self.name}", error) from None
        if state.facts == self.facts:
            self.tensors = dict(state.tensors)

    def get(self, name: str, lengths: Mapping[str, int], compute: Callable[[], Arrays]) -> Arrays:
        """The arrays of a piece, computed unless they are kept.

        Raises:
            UserError: the store cannot be written.
        """
        kept = {key: self.tensors.get(f"{name}.{key}") for key in lengths}
        if all(value is not None and value.shape == (lengths[key],) for key, value in kept.items()):
            return {key: value.numpy() for key, value in kept.items() if value is not None}
        arrays = compute()
        self.tensors |= {f"{name}.{key}": torch.from_numpy(np.asarray(array)) for key, array in arrays.items()}
        try:
            self.storage.write(self.name, State(self.tensors, self.facts).to_bytes())
        except OSError as error:
            raise cannot_write(self.storage, error) from None
        return arrays

    def discard(self) -> None:
        """Delete the file.

        Raises:
            UserError: the store cannot be written.
        """
        try:
            self.storage.delete(self.name)
        except OSError as error:
            raise cannot_write(self.storage, error) from None
