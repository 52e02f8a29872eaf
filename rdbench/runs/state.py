"""What an interrupted run goes on from: tensors by name, and facts that JSON can hold."""

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
    """A file is not a state of ours."""


class DamagedStateError(UnreadableStateError):
    """A file is no whole file of tensors, or its checksum is another than its content has."""


class UnusableStateError(Exception):
    """A state that is kept, and that a run cannot go on from here and now; says why, and what to do."""


@dataclass(frozen=True)
class State:
    """Tensors and facts; names with a dot belong to the part before it."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of a part, by the rest of their names."""
        return {key[len(name) + 1 :]: value for key, value in self.tensors.items() if key.startswith(f"{name}.")}

    def to_bytes(self) -> bytes:
        """A safetensors file, its facts and the digest of all of it in the header."""
        tensors = {name: value.detach().cpu().contiguous() for name, value in self.tensors.items()}
        facts = json.dumps(dict(self.facts))
        return save(tensors, {"facts": facts, "sha256": _digest(tensors, facts)})

    @classmethod
    def from_bytes(cls, content: bytes) -> "State":
        """The state in such a file.

        Raises:
            DamagedStateError: it is not whole.
            UnreadableStateError: it is whole, and none of ours.
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
