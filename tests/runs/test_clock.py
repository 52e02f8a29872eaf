"""Time that a process worked."""

import os
import signal
import time

from rdbench.runs import clock


def test_no_time_passes_while_a_process_is_stopped(monkeypatch):
    monkeypatch.setattr(clock, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(clock, "LONGEST_TICK_SECONDS", 0.2)
    clock.working_seconds()  # a thread that the child does not have
    child = os.fork()
    if not child:
        started, worked = time.monotonic(), clock.working_seconds()
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(0.3)
        worked, passed = clock.working_seconds() - worked, time.monotonic() - started
        os._exit(0 if 0.2 < worked < 0.6 and passed > 0.9 else 1)
    os.waitpid(child, os.WUNTRACED)
    time.sleep(0.8)
    os.kill(child, signal.SIGCONT)
    assert os.waitpid(child, 0)[1] == 0
