"""The unfinished state of a run, kept so that it goes on after any interruption."""

from rdbench.errors import plain
from rdbench.runs.state import State, UnreadableStateError
from rdbench.store.files import CHECKPOINTS, Storage, cannot_write


class Checkpoint:
    """Two files that are written in turn: the one before is there until the next is whole."""

    def __init__(self, storage: Storage, run_id: str) -> None:
        self.storage = storage
        self.run_id = run_id
        self.names = [f"{CHECKPOINTS}/{run_id}.unfinished-{turn}.safetensors" for turn in "ab"]
        self.serial = 0

    def save(self, state: State) -> None:
        """Keep a state in the place of the last but one.

        Raises:
            UserError: the store cannot be written.
        """
        facts = {**state.facts, "run_id": self.run_id, "serial": self.serial}
        try:
            self.storage.write(self.names[self.serial % 2], State(state.tensors, facts).to_bytes())
        except OSError as error:
            raise cannot_write(self.storage, error) from None
        self.serial += 1

    def states(self) -> tuple[list[State], list[str]]:
        """What was kept, the newest first, and a line for each file that is no such state."""
        states, refused = [], []
        for name in self.names:
            try:
                state = State.from_bytes(self.storage.read(name))
                if state.facts["run_id"] != self.run_id:
                    raise UnreadableStateError(f"it is of run {state.facts['run_id']}")
                serial = state.facts["serial"]
                if not isinstance(serial, int) or serial < 0:
                    raise UnreadableStateError("its serial is no count")
                states.append((serial, state))
            except FileNotFoundError:
                continue
            except (OSError, UnreadableStateError, KeyError) as error:
                refused.append(plain(f"{self.storage}/{name}: not a state of this run ({error})"))
        states.sort(key=lambda numbered: -numbered[0])
        self.serial = states[0][0] + 1 if states else 0
        return [state for _, state in states], refused

    def discard(self) -> None:
        """Delete what was kept.

        Raises:
            UserError: the store cannot be written.
        """
        try:
            for name in self.names:
                self.storage.delete(name)
        except OSError as error:
            raise cannot_write(self.storage, error) from None
