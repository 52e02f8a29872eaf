"""The runs that sweeps are to have, noted before any is done, so that a gap can be seen later."""

import hashlib
import json
import shlex
from collections.abc import Collection, Mapping
from typing import Any

from rdbench.errors import plain
from rdbench.store.files import PLANS, Storage, cannot_write
from rdbench.store.schema import RUN_ID


def announce(storage: Storage, sweep: str, command: str, runs: Mapping[str, str]) -> None:
    """Note the runs that a sweep is to have, each id with what it is in words, and the command that does them.

    Raises:
        UserError: the store cannot be written.
    """
    plan = json.dumps({"sweep": sweep, "command": command, "runs": dict(runs)}, ensure_ascii=False, indent=0)
    name = hashlib.sha256(plan.encode()).hexdigest()[:16]
    try:
        storage.write(f"{PLANS}/{name}.json", plan.encode())
    except OSError as error:
        raise cannot_write(storage, error, "name another") from None


def missing(storage: Storage, finished: Collection[str]) -> tuple[list[str], list[str]]:
    """A line for each announced run that is not among those ``finished``, and for each plan that cannot be read."""
    plans, skipped = _plans(storage)
    lines = {
        run_id: plain(f"run {run_id} ({words}) is missing; finish it with: {command}")
        for runs, command in plans
        for run_id, words in runs.items()
        if run_id not in finished
    }
    return list(lines.values()), skipped


def announced(storage: Storage) -> dict[str, str]:
    """What each announced run is in words, by its id."""
    return {run_id: words for runs, _ in _plans(storage)[0] for run_id, words in runs.items()}


def _plans(storage: Storage) -> tuple[list[tuple[dict[str, str], str]], list[str]]:
    plans, skipped = [], []
    for name in storage.names(PLANS, ".json"):
        try:
            plans.append(_plan(json.loads(storage.read(name))))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            skipped.append(plain(f"{storage}/{name}: not the plan of a sweep"))
    return plans, skipped


def _plan(plan: Any) -> tuple[dict[str, str], str]:
    """The runs of a plan, each with what it is in words, and the command that finishes them.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: it is no plan, or its command none that we write.
    """
    runs, command = dict(plan["runs"].items()), plan["command"]
    if not all(RUN_ID.fullmatch(run_id) and isinstance(words, str) for run_id, words in runs.items()):
        raise ValueError("its runs are none")
    if not isinstance(command, str):
        raise TypeError("its command is no text")
    words = shlex.split(command)
    if words[:1] != ["rdbench"] or shlex.join(words) != command:
        raise ValueError("its command is none of ours")  # whom we tell to type it would run it
    return runs, command
