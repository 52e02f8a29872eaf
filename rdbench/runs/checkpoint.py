"""The saved state of an unfinished run, from which it goes on after any interruption."""

from shlex import quote
from typing import NamedTuple

from rdbench.errors import plain, reason
from rdbench.runs.state import DamagedStateError, State, UnreadableStateError, UnusableStateError
from rdbench.store.files import CHECKPOINTS, Storage, cannot_write


class Kept(NamedTuple):
    """The states of a run, newest first; a message for each damaged file, and for each whole file of another run."""

    states: list[State]
    damaged: list[str]
    foreign: list[str]


class Checkpoint:
    """Two files that are written in turn, so that one whole state is always there."""

    def __init__(self, storage: Storage, run_id: str) -> None:
        self.storage = storage
        self.run_id = run_id
        self.names = [f"{CHECKPOINTS}/{run_id}.unfinished-{turn}.safetensors" for turn in "ab"]
        self.serial = 0

    def save(self, state: State) -> None:
        """Save a state over the older of the two.

        Raises:
            UserError: the store cannot be written.
        """
        facts = {**state.facts, "run_id": self.run_id, "serial": self.serial}
        try:
            self.storage.write(self.names[self.serial % 2], State(state.tensors, facts).to_bytes())
        except OSError as error:
            raise cannot_write(self.storage, error) from None
        self.serial += 1

    def states(self) -> Kept:
        """The states that are saved.

        Raises:
            UnusableStateError: a file is there but cannot be read now.
        """
        found: list[tuple[int, State]] = []
        damaged: list[str] = []
        foreign: list[str] = []
        for name in self.names:
            try:
                state = State.from_bytes(self.storage.read(name))
                found.append((self._serial(state), state))
            except FileNotFoundError:
                continue
            except UnreadableStateError as error:
                lines = damaged if isinstance(error, DamagedStateError) else foreign
                lines.append(plain(f"{self.storage}/{name}: not a state of this run ({error})"))
            except (OSError, MemoryError, RuntimeError) as error:
                why = error.strerror if isinstance(error, OSError) and error.strerror else reason(error)
                raise self.unusable(f"{name} cannot be read ({why})") from None
        found.sort(key=lambda numbered: -numbered[0])
        self.serial = found[0][0] + 1 if found else 0
        return Kept([state for _, state in found], damaged, foreign)

    def _serial(self, state: State) -> int:
        """The serial number of a state of this run.

        Raises:
            UnreadableStateError: it belongs to another run, or has no serial number.
        """
        if state.facts.get("run_id") != self.run_id:
            raise UnreadableStateError(f"it is of run {state.facts.get('run_id')}")
        serial = state.facts.get("serial")
        if not isinstance(serial, int) or serial < 0:
            raise UnreadableStateError("its serial is no count")
        return serial

    def unusable(self, why: str) -> UnusableStateError:
        """The error for a state from which a run cannot go on."""
        return UnusableStateError(
            plain(
                f"{why}; what the run had done is kept, and the next sweep tries to go on from it; "
                f"to begin anew: rdbench runs {quote(str(self.storage))} retry {self.run_id}"
            )
        )

    def discard(self) -> None:
        """Delete the saved states.

        Raises:
            UserError: the store cannot be written.
        """
        try:
            for name in self.names:
                self.storage.delete(name)
        except OSError as error:
            raise cannot_write(self.storage, error) from None
