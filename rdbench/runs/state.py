"""The state from which an interrupted run goes on: tensors by name, and facts that JSON can hold."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from rdbench.errors import reason


class UnreadableStateError(Exception):
    """A file is not a state that rdbench wrote."""


class DamagedStateError(UnreadableStateError):
    """A file is incomplete, or its checksum does not match its content."""


class UnusableStateError(Exception):
    """A run cannot go on from its saved state here; the message says why, and what to do."""


@dataclass(frozen=True)
class State:
    """Tensors and facts by name; a name ``part.rest`` belongs to that part."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of a part, named without it."""
        return {key[len(name) + 1 :]: value for key, value in self.tensors.items() if key.startswith(f"{name}.")}

    def to_bytes(self) -> bytes:
        """The state as a safetensors file, whose header has the facts and a digest of everything."""
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.tensors.items()}
        facts = json.dumps(dict(self.facts))
        return save(tensors, {"facts": facts, "sha256": _digest(tensors, facts)})

    @classmethod
    def from_bytes(cls, content: bytes) -> "State":
        """Read the state from the bytes of a safetensors file.

        Raises:
            DamagedStateError: the file is not whole.
            UnreadableStateError: the file is whole, but no state.
        """
        try:
            tensors = load(content)
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
            whole = _digest(tensors, header["facts"]) == header["sha256"]
        except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise DamagedStateError(reason(error)) from None
        if not whole:
            raise DamagedStateError("its content does not match its checksum")
        try:
            facts = json.loads(header["facts"])
        except (ValueError, RecursionError) as error:
            raise UnreadableStateError(reason(error)) from None
        if not isinstance(facts, dict):
            raise UnreadableStateError("its facts have no names")
        return cls(tensors, facts)


def _digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    digest = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state of torch's generators."""
    states = {"random": torch.get_rng_state()}
    return states | {"random_cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else states


def set_random_state(tensors: Mapping[str, Tensor], device: torch.device) -> None:
    """Set torch's generators to states that ``random_state`` gave."""
    torch.set_rng_state(tensors["random"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(tensors["random_cuda"], device)
