"""A clock of working time, which stands still while the process or the machine is suspended."""

import os
import threading
import time

TICK_SECONDS = 0.5
LONGEST_TICK_SECONDS = 5.0
"""The most seconds that count between two ticks; a longer gap means that the process was suspended."""


class WorkingClock:
    """Adds up the time between the ticks of a thread, which does not run while its process is suspended."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start again: a forked child has no copy of its parent's thread, and its lock may be held for ever."""
        self.lock = threading.Lock()
        self.total = 0.0
        self.last = time.perf_counter()
        self.thread: threading.Thread | None = None

    def seconds(self) -> float:
        """Seconds of work since an arbitrary moment."""
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
