import errno
import json
import os
import time
from dataclasses import asdict, replace

import pytest

from rdbench.errors import UserError
from rdbench.store.changing import changing
from rdbench.store.claims import CLAIM_SECONDS, SECONDS_VARIABLE, Claims, Owner, owners
from rdbench.store.location import open_storage


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


def test_a_claim_that_cannot_be_deleted_lapses_and_what_was_done_stays(storage, monkeypatch):
    def stale(name):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    with Claims(storage) as claims:
        assert claims.take(["a", "b"])
        monkeypatch.setattr(storage, "delete", stale)
        claims.release(["a"])
        renewed = storage.stamp(claims._name("a"))
        assert not claims.hold(["a"])
        assert storage.stamp(claims._name("a")) == renewed
    assert set(owners(storage)) == {"a", "b"}


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


def taken_over(storage):
    """Another process takes over what was not renewed: as ``take`` does it, the old claim goes."""
    for name in storage.names("claims"):
        storage.delete(name)
    foreign_claim(storage, 0)


def test_a_claim_that_was_taken_over_is_lost_and_not_written_again(storage):
    with Claims(storage) as claims:
        assert claims.take(["a"]) and claims.hold(["a"]) and not claims.lost(["a"])
        taken_over(storage)
        assert not claims.hold(["a"]) and claims.lost(["a"])
    assert storage.names("claims") == ["claims/a.theirs.json"]


def test_a_claim_renewed_too_late_yields_to_the_one_that_came_meanwhile(storage):
    """The other has listed the claims and is about to delete ours."""
    with Claims(storage) as claims:
        assert claims.take(["a"])
        (mine,) = storage.names("claims")
        os.utime(storage.path(mine), (time.time() - CLAIM_SECONDS - 5,) * 2)
        foreign_claim(storage, 0)
        assert not claims.hold(["a"])
        assert storage.names("claims") == ["claims/a.theirs.json"]


def test_a_late_renewal_without_a_rival_holds(storage):
    with Claims(storage) as claims:
        assert claims.take(["a"])
        (mine,) = storage.names("claims")
        os.utime(storage.path(mine), (time.time() - CLAIM_SECONDS - 5,) * 2)
        assert claims.hold(["a"])


@pytest.mark.parametrize("text", ["", "soon", "0", "-1", "inf", "nan"])
def test_a_time_that_is_none_is_refused(storage, monkeypatch, text):
    monkeypatch.setenv(SECONDS_VARIABLE, text)
    with pytest.raises(UserError, match=f"{SECONDS_VARIABLE}: found '{text}'; expected a number of seconds"):
        Claims(storage)


def test_who_changes_tables_waits_and_then_says_for_whom(storage, monkeypatch):
    monkeypatch.setenv(SECONDS_VARIABLE, "0.2")
    with changing(storage):
        assert owners(storage) == {}  # it is no run
        told = f"process {os.getpid()} on .* has been changing the tables of .*store for"
        with pytest.raises(UserError, match=told), changing(storage):
            pass
    with changing(storage):
        pass
    assert storage.names("claims") == []
