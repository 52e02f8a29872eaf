"""Claims: files that say which process does which run, so that sweeps can share a store and never do a run twice."""

import json
import math
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from rdbench.errors import UserError
from rdbench.store.files import CLAIMS, Storage, cannot_write

CLAIM_SECONDS = 60.0
"""How long a claim holds after its owner last renewed it, by the clock of the storage."""

SECONDS_VARIABLE = "RDBENCH_CLAIM_SECONDS"
"""The environment variable that overrides ``CLAIM_SECONDS``; all processes on a store must set the same."""

HEARTBEATS = 6
"""How many times a claim is renewed within its lifetime."""

LONGEST_BACK_OFF = 0.1

LARGEST_CLAIM = 2**16
"""The largest claim that is read, in bytes."""

TABLES_CLAIM = "~tables"
"""The name, in place of a run id, of the claim on all tables. No run can have this id."""


def claim_seconds() -> float:
    """The lifetime of a claim in seconds.

    Raises:
        UserError: the environment variable is no number of seconds.
    """
    text = os.environ.get(SECONDS_VARIABLE, str(CLAIM_SECONDS))
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UserError(f"{SECONDS_VARIABLE}: found {text!r}; expected a number of seconds, such as 60")
    return seconds


@dataclass(frozen=True)
class Owner:
    """The process that holds a claim, and since when."""

    host: str
    pid: int
    since: str
    machine: str

    @property
    def is_dead(self) -> bool:
        """Whether the owner ran on this machine and has ended."""
        if self.machine != _machine():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


class Claims:
    """The claims of one process on the runs of a store. Within ``with``, a thread renews them.

    Each claim is one file. A process writes its claim, then lists the others: it has the run only if no other living
    claim is there. Of two processes that write at the same time neither gets the run, and both try again. The storage
    needs to list, write and delete files; it needs no locks.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.seconds = claim_seconds()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.owner = Owner(socket.gethostname(), os.getpid(), now, _machine())
        self.token = uuid.uuid4().hex[:16]
        self.held: set[str] = set()
        self.renewed = time.monotonic()
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._renew_until_ended, daemon=True)

    def take(self, run_ids: Iterable[str]) -> bool:
        """Claim all of these runs, or none.

        Raises:
            UserError: the store cannot be written.
        """
        taken: list[str] = []
        try:
            for run_id in run_ids:
                if not self._take(run_id):
                    self.release(taken)
                    return False
                taken.append(run_id)
        except OSError as error:
            raise cannot_write(self.storage, error) from None
        return True

    def _take(self, run_id: str) -> bool:
        mine = self._name(run_id)
        self.storage.write(mine, self._content())
        try:
            rivals, living = self._others(mine)
        except UserError:  # the store can no longer be listed: nobody should wait for this claim
            with suppress(OSError):
                self.storage.delete(mine)
            raise
        if living:
            self.storage.delete(mine)
            time.sleep(random.uniform(0, LONGEST_BACK_OFF))
            return False
        for name in rivals:
            self.storage.delete(name)
        with self.lock:
            self.held.add(run_id)
        return True

    def release(self, run_ids: Iterable[str]) -> None:
        """Give up the claims on these runs. One that cannot be deleted is no longer renewed, so it lapses."""
        for run_id in run_ids:
            with self.lock, suppress(OSError):
                self.held.discard(run_id)
                self.storage.delete(self._name(run_id))

    def _lives(self, name: str, age: float) -> bool:
        if abs(age) > self.seconds:  # also a claim dated far in the future does not hold
            return False
        owner = _read(self.storage, name)
        return owner is None or not owner.is_dead

    def hold(self, run_ids: Collection[str]) -> bool:
        """Renew the claims on these runs now; whether this process still holds all of them.

        Raises:
            UserError: the store cannot be written.
        """
        try:
            self._renew(run_ids)
        except OSError as error:
            raise cannot_write(self.storage, error) from None
        return set(run_ids) <= self.held

    def lost(self, run_ids: Collection[str]) -> bool:
        """Whether another process took one of these runs, as it may while this process is suspended."""
        if time.monotonic() - self.renewed > self.seconds / 2:
            self._renew_all()
        return not set(run_ids) <= self.held

    def _renew_until_ended(self) -> None:
        while not self.ended.wait(self.seconds / HEARTBEATS):
            self._renew_all()

    def _renew_all(self) -> None:
        now = time.monotonic()
        with suppress(OSError, UserError):  # if the store stays unwritable, writing the run reports it
            self._renew(sorted(self.held))
        self.renewed = now  # last, for who asks meanwhile must not take the claims for renewed

    def _renew(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            with self.lock:
                if run_id in self.held and not self._is_renewed(run_id):
                    self.held.discard(run_id)

    def _is_renewed(self, run_id: str) -> bool:
        """Write a claim again; False if another process deleted it as too old, or has claimed the run since.

        Another may have had a claim that lapsed and have given it up again. That is nothing to a run, whose answer
        shows, but tables may have changed: a claim on them that has lapsed is lost.
        """
        mine = self._name(run_id)
        before = self.storage.stamp(mine)
        if before is None:
            return False
        self.storage.write(mine, self._content())
        after = self.storage.stamp(mine)
        if after is None:
            return False
        lapsed = (after[0] - before[0]).total_seconds() > self.seconds
        if lapsed and (run_id == TABLES_CLAIM or self._others(mine)[1]):
            self.storage.delete(mine)
            return False
        return True

    def _others(self, mine: str) -> tuple[list[str], list[str]]:
        """The claims of other processes on the run of claim ``mine``, and those among them that still hold."""
        times = self.storage.modified(CLAIMS)
        beginning = mine.partition(".")[0] + "."
        others = [name for name in times if name.startswith(beginning) and name != mine]
        living = [
            name
            for name in others
            if mine not in times or self._lives(name, (times[mine] - times[name]).total_seconds())
        ]
        return others, living

    def _name(self, run_id: str) -> str:
        return f"{CLAIMS}/{run_id}.{self.token}.json"

    def _content(self) -> bytes:
        return json.dumps(asdict(self.owner)).encode()

    def __enter__(self) -> "Claims":
        for name in self.storage.names(CLAIMS):
            owner = _read(self.storage, name)
            if owner and owner.is_dead:  # it died before it gave up its claim
                with suppress(OSError):  # a dead owner's claim does not hold anyway
                    self.storage.delete(name)
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self.thread.join()
        self.release(list(self.held))


def owners(storage: Storage) -> dict[str, Owner]:
    """The owner of each run that is being done now, by run id."""
    return {run_id: owner for run_id, owner in all_owners(storage).items() if run_id != TABLES_CLAIM}


def neighbours(storage: Storage) -> set[int]:
    """The other processes of this machine that train runs of a store, by number."""
    here, me = _machine(), os.getpid()
    return {owner.pid for owner in owners(storage).values() if owner.machine == here and owner.pid != me}


def all_owners(storage: Storage) -> dict[str, Owner]:
    """As ``owners``, with the owner of the tables under ``TABLES_CLAIM``."""
    found = {}
    times = storage.modified(CLAIMS)
    now = max([datetime.now(UTC), *times.values()])  # the storage's clock may be ahead
    for name, written in times.items():
        owner = _read(storage, name)
        if owner and not owner.is_dead and (now - written).total_seconds() <= claim_seconds():
            found[name.removeprefix(f"{CLAIMS}/").partition(".")[0]] = owner
    return found


def _read(storage: Storage, name: str) -> Owner | None:
    try:
        owner = Owner(**json.loads(storage.read(name, LARGEST_CLAIM)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    words = (owner.host, owner.since, owner.machine)
    whole = isinstance(owner.pid, int) and 0 < owner.pid < 2**31 and all(isinstance(word, str) for word in words)
    return owner if whole else None


def _machine() -> str:
    """A name for this machine and its namespace of process ids."""
    parts = [socket.gethostname()]
    try:
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
    except OSError:  # not Linux
        parts.append(str(uuid.getnode()))
    return " ".join(parts)
