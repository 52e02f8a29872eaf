"""The plan of each sweep: its runs, noted before any is done, so that missing runs are found and done later."""

import hashlib
import json
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from rdbench.errors import plain
from rdbench.store.files import PLANS, Storage, cannot_write, why
from rdbench.store.schema import RUN_ID

Settings = Mapping[str, Any]

LARGEST_PLAN = 2**28
"""The largest plan that is read, in bytes; a plan of 10,000 runs has some 3 MB."""


@dataclass(frozen=True)
class Note:
    """A sweep's plan: its name, its command, and the label and the settings of each run.

    Plans that an older rdbench wrote have no settings.
    """

    sweep: str
    command: str
    runs: Mapping[str, str]
    settings: Mapping[str, Settings] = field(default_factory=dict)

    def to_json(self) -> str:
        """The plan as JSON; settings that all runs share are written once."""
        described = list(self.settings.values())
        first = described[0] if described else {}
        common = {key: value for key, value in first.items() if _all_have(described, key, value)}
        varying = {
            run_id: {key: value for key, value in settings.items() if key not in common}
            for run_id, settings in self.settings.items()
        }
        content = {"sweep": self.sweep, "command": self.command, "runs": dict(self.runs)}
        return json.dumps(content | {"settings": common, "varying": varying}, ensure_ascii=False, indent=0)


def _all_have(described: list[Settings], key: str, value: Any) -> bool:
    return all(key in settings and settings[key] == value for settings in described)


def announce(
    storage: Storage, sweep: str, command: str, runs: Mapping[str, str], settings: Mapping[str, Settings] | None = None
) -> None:
    """Note the runs of a sweep and its command; ``runs`` has the label of each run id, ``settings`` its settings.

    Raises:
        UserError: the store cannot be written.
    """
    _write(storage, Note(sweep, command, runs, settings or {}))


def _write(storage: Storage, note: Note) -> str:
    content = note.to_json().encode()
    name = f"{PLANS}/{hashlib.sha256(content).hexdigest()[:16]}.json"
    try:
        storage.write(name, content)
    except OSError as error:
        raise cannot_write(storage, error, "name another") from None
    return name


def missing(storage: Storage, finished: Collection[str]) -> tuple[list[str], list[str]]:
    """A message for each announced run that is not in ``finished``, and one for each plan that cannot be read."""
    notes, skipped = _notes(storage)
    lines = {
        run_id: plain(f"run {run_id} ({words}) is missing; finish it with: {note.command}")
        for note in notes.values()
        for run_id, words in note.runs.items()
        if run_id not in finished
    }
    return list(lines.values()), skipped


def announced(storage: Storage) -> dict[str, str]:
    """The label of each announced run, by its id."""
    return {run_id: words for note in _notes(storage)[0].values() for run_id, words in note.runs.items()}


def noted(storage: Storage, run_id: str) -> Note | None:
    """The plan of a sweep that has this run; one with the run's settings if there is one."""
    notes = [note for note in _notes(storage)[0].values() if run_id in note.runs]
    return max(notes, key=lambda note: run_id in note.settings, default=None)


def strike(storage: Storage, run_ids: Collection[str]) -> None:
    """Remove runs from all plans, so that they are no longer missing. Raises OSError or UserError as writing does."""
    for name, note in _notes(storage)[0].items():
        if gone := set(note.runs) & set(run_ids):
            runs = {run_id: words for run_id, words in note.runs.items() if run_id not in gone}
            settings = {run_id: values for run_id, values in note.settings.items() if run_id not in gone}
            new = _write(storage, Note(note.sweep, note.command, runs, settings)) if runs else None
            if name != new:
                storage.delete(name)


def _notes(storage: Storage) -> tuple[dict[str, Note], list[str]]:
    notes, skipped = {}, []
    for name in storage.names(PLANS, ".json"):
        try:
            notes[name] = _note(json.loads(storage.read(name, LARGEST_PLAN)))
        except OSError as error:
            skipped.append(plain(f"{storage}/{name}: cannot be read ({why(error)})"))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            skipped.append(plain(f"{storage}/{name}: not the plan of a sweep"))
    return notes, skipped


def _note(plan: Any) -> Note:
    """The plan in a file's JSON.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: it is no plan, or its command is not one that rdbench writes.
    """
    runs, command = dict(plan["runs"].items()), plan["command"]
    if not all(RUN_ID.fullmatch(run_id) and isinstance(words, str) for run_id, words in runs.items()):
        raise ValueError("its runs are none")
    if not isinstance(command, str):
        raise TypeError("its command is no text")
    words = shlex.split(command)
    if words[:1] != ["rdbench"] or shlex.join(words) != command:
        raise ValueError("its command is none of ours")  # users are told to type it: a stranger must not choose it
    common = dict(plan.get("settings", {}).items())
    settings = {run_id: common | dict(values.items()) for run_id, values in plan.get("varying", {}).items()}
    return Note(str(plan.get("sweep", "")), command, runs, settings)
