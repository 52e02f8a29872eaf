"""How long a process has worked: while it is stopped, by SIGSTOP or with its machine, no time passes."""

import os
import threading
import time

TICK_SECONDS = 0.5
LONGEST_TICK_SECONDS = 5.0
"""More than a thread waits for its turn: of a longer gap between ticks only so much counts."""


class WorkingClock:
    """Adds up the time between ticks of a thread of its own, which does not run while its process is stopped."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin anew, as in a child, which has neither its parent's thread nor, perhaps, a free lock."""
        self.lock = threading.Lock()
        self.total = 0.0
        self.last = time.perf_counter()
        self.thread: threading.Thread | None = None

    def seconds(self) -> float:
        """Seconds of work since some moment in the past."""
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self._tick, daemon=True)
                self.thread.start()
            return self._add()

    def _add(self) -> float:
        now = time.perf_counter()
        self.total += min(now - self.last, LONGEST_TICK_SECONDS)
        self.last = now
        return self.total

    def _tick(self) -> None:
        while True:
            time.sleep(TICK_SECONDS)
            with self.lock:
                self._add()


_clock = WorkingClock()
os.register_at_fork(after_in_child=_clock.begin)
working_seconds = _clock.seconds
