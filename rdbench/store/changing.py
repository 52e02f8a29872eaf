"""Changes to the tables of a store, which one process at a time makes."""

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rdbench.errors import UserError
from rdbench.store.claims import TABLES_CLAIM, Claims, all_owners, claim_seconds
from rdbench.store.files import CLAIMS, Storage, cannot_write

Answer = TypeVar("Answer")

WAIT_CLAIMS = 3
"""How many lifetimes of a claim a process waits for the tables."""


class LostTablesError(UserError):
    """This process was suspended while it changed the tables of a store, and another has the claim on them since."""


@contextmanager
def changing(storage: Storage) -> Iterator[Storage]:
    """Hold the claim on the tables of a store, which one process at a time has; wait until it is free.

    Yield the storage for the changes: before each of them it sees that the claim still holds.

    Raises:
        LostTablesError: this process was suspended for too long, and must not change what it has read before.
        UserError: another process holds the claim for too long, or the store cannot be written.
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
                owner = all_owners(storage).get(TABLES_CLAIM)
                who = f"process {owner.pid} on {owner.host}" if owner else "another process"
                raise UserError(
                    f"{who} has been changing the tables of {storage} for more than {longest:.0f} s; "
                    "try again when it has ended"
                )

        def require_held() -> None:
            if claims.lost([TABLES_CLAIM]):
                raise LostTablesError(
                    f"another process may have changed the tables of {storage} while this one was suspended; "
                    "what it had not changed yet stays; look at the store, and run the same command again if need be"
                )

        held = copy.copy(storage)
        held.before_change = require_held
        yield held


def until_held(change: Callable[[], Answer]) -> Answer:
    """Do a change that may be repeated, anew if the claim on the tables was lost in the middle of it."""
    while True:
        try:
            return change()
        except LostTablesError:
            continue
