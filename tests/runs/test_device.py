import torch

from rdbench.runs.device import Pace


def test_the_host_waits_for_the_step_that_lies_as_far_back_as_it_may_be_ahead(monkeypatch):
    """A GPU's events are played: each remembers when it was recorded and whether it was waited for."""
    waited = []

    class Event:
        def __init__(self, blocking):
            assert blocking  # other runs may want the processor

        def record(self):
            self.number = Event.recorded = Event.recorded + 1

        def synchronize(self):
            waited.append((self.number, Event.recorded))

    Event.recorded = 0
    monkeypatch.setattr(torch.cuda, "Event", Event)
    pace = Pace(torch.device("cuda"))
    for _ in range(Pace.AHEAD + 3):
        pace()
    assert waited == [(step, step + Pace.AHEAD) for step in (1, 2, 3)]
    pace.wait()
    assert [step for step, _ in waited] == list(range(1, Pace.AHEAD + 4))


def test_a_cpu_is_never_waited_for(monkeypatch):
    monkeypatch.delattr(torch.cuda, "Event")
    pace = Pace(torch.device("cpu"))
    pace()
    pace.wait()
