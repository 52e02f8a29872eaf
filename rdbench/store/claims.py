"""Who trains which run: several sweeps may share one store and never do a run twice."""

import json
import math
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from rdbench.errors import UserError
from rdbench.store.files import CLAIMS, Storage, cannot_write

CLAIM_SECONDS = 60.0
"""How long a claim lasts whose owner no longer renews it, by the clock of the place where it lies."""

SECONDS_VARIABLE = "RDBENCH_CLAIM_SECONDS"
"""The environment variable that sets another time; all processes on a store must agree."""

HEARTBEATS = 6
"""How often a claim is renewed while it would last."""

LONGEST_BACK_OFF = 0.1

TABLES_CLAIM = "~tables"
"""In the place of a run: the claim for all that reads, changes and writes tables. No run can have this name."""

WAIT_CLAIMS = 3
"""How many lives of a claim one waits for the tables."""


def claim_seconds() -> float:
    """How long a claim lasts.

    Raises:
        UserError: the environment says something else than a number of seconds.
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
    """A process that trains, and since when."""

    host: str
    pid: int
    since: str
    machine: str

    @property
    def is_dead(self) -> bool:
        """Whether the owner was on this machine and is no more."""
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
    """The claims of one process on the runs of a store; use as a context, in which they are renewed.

    A claim is a file of its own. It holds if no other living claim on the run is there once it is written, so of two
    that come at the same time neither does, and both try again. Only listing, writing and deleting are needed of a
    store, none of them exclusive.
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
        except UserError:  # the store cannot be listed any more: nobody should wait for this claim
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
        """Give runs back. A claim that cannot be deleted now is not renewed either, so it lapses."""
        for run_id in run_ids:
            with self.lock, suppress(OSError):
                self.held.discard(run_id)
                self.storage.delete(self._name(run_id))

    def _lives(self, name: str, age: float) -> bool:
        if abs(age) > self.seconds:  # one from the future was not written here
            return False
        owner = _read(self.storage, name)
        return owner is None or not owner.is_dead

    def hold(self, run_ids: Collection[str]) -> bool:
        """Renew the claims on these runs now; whether all are held, and none is another process's meanwhile.

        Raises:
            UserError: the store cannot be written.
        """
        try:
            self._renew(run_ids)
        except OSError as error:
            raise cannot_write(self.storage, error) from None
        return set(run_ids) <= self.held

    def lost(self, run_ids: Collection[str]) -> bool:
        """Whether one of these runs is another process's now, as after this one was stopped for a while."""
        if time.monotonic() - self.renewed > self.seconds / 2:
            self._renew_all()
        return not set(run_ids) <= self.held

    def _renew_until_ended(self) -> None:
        while not self.ended.wait(self.seconds / HEARTBEATS):
            self._renew_all()

    def _renew_all(self) -> None:
        self.renewed = time.monotonic()
        with suppress(OSError, UserError):  # what cannot be written now will be told of when a run is
            self._renew(sorted(self.held))

    def _renew(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            with self.lock:
                if run_id in self.held and not self._is_renewed(self._name(run_id)):
                    self.held.discard(run_id)

    def _is_renewed(self, mine: str) -> bool:
        """Write a claim again, unless another process has deleted it as too old, or comes to do so."""
        before = self.storage.stamp(mine)
        if before is None:
            return False
        self.storage.write(mine, self._content())
        after = self.storage.stamp(mine)
        if after is None:
            return False
        if (after[0] - before[0]).total_seconds() > self.seconds and self._others(mine)[1]:
            self.storage.delete(mine)
            return False
        return True

    def _others(self, mine: str) -> tuple[list[str], list[str]]:
        """The claims of others on the run of this one, and those among them that still hold."""
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
            if owner and owner.is_dead:  # it died between keeping a run and giving it back
                with suppress(OSError):  # what is dead holds nothing
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
    """Who trains which run now, by run."""
    return {run_id: owner for run_id, owner in _owners(storage).items() if run_id != TABLES_CLAIM}


def _owners(storage: Storage) -> dict[str, Owner]:
    found = {}
    times = storage.modified(CLAIMS)
    now = max([datetime.now(UTC), *times.values()])  # the clock of the place may be ahead
    for name, written in times.items():
        owner = _read(storage, name)
        if owner and not owner.is_dead and (now - written).total_seconds() <= claim_seconds():
            found[name.removeprefix(f"{CLAIMS}/").partition(".")[0]] = owner
    return found


@contextmanager
def changing(storage: Storage) -> Iterator[None]:
    """Hold the tables of a store: one process at a time reads, changes and writes them. Waits until they are free.

    Raises:
        UserError: another process has them for too long, or the store cannot be written.
    """
    longest = WAIT_CLAIMS * claim_seconds()
    end = time.monotonic() + longest
    try:
        if storage.is_there():
            storage.prepare(CLAIMS)
    except OSError as error:
        raise cannot_write(storage, error) from None
    with Claims(storage) as claims:
        while not claims.take([TABLES_CLAIM]):
            if time.monotonic() > end:
                owner = _owners(storage).get(TABLES_CLAIM)
                who = f"process {owner.pid} on {owner.host}" if owner else "another process"
                raise UserError(
                    f"{who} has been changing the tables of {storage} for more than {longest:.0f} s; "
                    "try again when it has ended"
                )
        yield


def _read(storage: Storage, name: str) -> Owner | None:
    try:
        owner = Owner(**json.loads(storage.read(name)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    words = (owner.host, owner.since, owner.machine)
    whole = isinstance(owner.pid, int) and 0 < owner.pid < 2**31 and all(isinstance(word, str) for word in words)
    return owner if whole else None


def _machine() -> str:
    """The machine, and the space of process numbers in it."""
    parts = [socket.gethostname()]
    try:
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
    except OSError:  # not Linux
        parts.append(str(uuid.getnode()))
    return " ".join(parts)
