"""The time that is left of a sweep, on a clock that the test turns."""

import pytest

from rdbench.execute.estimate import Estimate, Load

CHEAP, DEAR = Load("---", 8.0, 2.0), Load("-+-", 80.0, 20.0)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_nothing_is_said_before_anything_is_known(clock):
    estimate = Estimate({"a": CHEAP}, clock)
    assert estimate.seconds() is None
    estimate.progress("a", "training", 0.01)
    clock.now = 5
    estimate.progress("a", "training", 0.02)
    assert estimate.seconds() is None


def test_a_family_costs_what_its_ended_runs_did_and_another_as_much_for_its_work(clock):
    estimate = Estimate({"a": CHEAP, "b": CHEAP, "c": DEAR}, clock)
    estimate.end("a", 20.0)
    assert estimate.seconds() == pytest.approx(20 + 200)
    estimate.end("c", 1000.0)  # dearer than its work
    assert estimate.seconds() == pytest.approx(20)
    estimate.end("b", None)  # failed: nothing is left, and nothing learned
    assert estimate.seconds() == 0


def test_a_running_one_tells_before_it_ends_from_where_it_went_on(clock):
    estimate = Estimate({"a": CHEAP, "b": CHEAP}, clock)
    estimate.progress("a", "training", 0.5)  # as an interrupted one goes on
    clock.now = 4.0
    estimate.progress("a", "training", 0.75)  # a quarter of 8 in 4 seconds: 2 seconds a unit
    assert estimate.seconds() == pytest.approx(2 * (0.25 * 8 + 2) + 2 * 10)
    estimate.progress("a", "test split", 0.1)
    estimate.end("a", 20.0)
    assert estimate.seconds() == pytest.approx(20)


def test_runs_at_once_share_what_is_left(clock):
    estimate = Estimate(dict.fromkeys("abcd", CHEAP), clock)
    estimate.end("a", 10.0)
    for name in "bc":
        estimate.progress(name, "training", 0.0)
    assert estimate.seconds() == pytest.approx(30 / 2)
