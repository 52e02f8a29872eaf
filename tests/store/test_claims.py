import json
import os
import time
from dataclasses import asdict, replace

import pytest

from rdbench.errors import UserError
from rdbench.store.claims import CLAIM_SECONDS, SECONDS_VARIABLE, Claims, Owner, owners
from rdbench.store.files import open_storage


@pytest.fixture
def storage(tmp_path):
    storage = open_storage(tmp_path / "store")
    storage.prepare("claims")
    return storage


def foreign_claim(storage, age, **changes):
    """A claim on run ``a`` by a process of another machine, last renewed so many seconds ago."""
    owner = replace(Owner("elsewhere", 1, "2026-01-01T00:00:00+00:00", "another machine"), **changes)
    storage.write("claims/a.theirs.json", json.dumps(asdict(owner)).encode())
    then = time.time() - age
    os.utime(storage.path("claims/a.theirs.json"), (then, then))


@pytest.mark.parametrize(("age", "taken"), [(0, False), (CLAIM_SECONDS - 5, False), (CLAIM_SECONDS + 5, True)])
def test_a_claim_lasts_as_long_as_it_is_renewed(storage, age, taken):
    foreign_claim(storage, age)
    with Claims(storage) as claims:
        assert claims.take(["a"]) == taken
        assert set(owners(storage)) == {"a"}
        assert owners(storage)["a"].host == (claims.owner.host if taken else "elsewhere")


def test_the_claim_of_a_process_that_is_gone_is_taken_over_at_once(storage):
    with Claims(storage) as claims:
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        foreign_claim(storage, 0, pid=child, machine=claims.owner.machine)
        assert claims.take(["a"])


def test_a_claim_is_renewed(storage, monkeypatch):
    monkeypatch.setenv(SECONDS_VARIABLE, "0.3")
    with Claims(storage) as claims:
        claims.take(["a"])
        (name,) = storage.names("claims")
        os.utime(storage.path(name), (0, 0))
        time.sleep(0.5)
        assert time.time() - os.stat(storage.path(name)).st_mtime < 60


def test_of_several_runs_all_are_claimed_or_none(storage):
    foreign_claim(storage, 0)
    with Claims(storage) as claims:
        assert not claims.take(["b", "a"])
        assert set(owners(storage)) == {"a"}


def test_a_store_that_takes_no_claims_is_told(tmp_path):
    with (
        Claims(open_storage(tmp_path / "absent")) as claims,
        pytest.raises(UserError, match="cannot write to the store"),
    ):
        claims.take(["a"])
