"""Stop a sweep at a signal, or before its time is over."""

import re
import signal
import time
from types import FrameType, TracebackType

from rdbench.errors import UserError

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SMALLEST_RESERVE = 2.0
DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")


def parse_duration(option: str, text: str) -> float:
    """The seconds of a duration given to ``option``, such as 9m.

    >>> [parse_duration("--time-budget", text) for text in ("9m", "1h30m", "45")]
    [540.0, 5400.0, 45.0]

    Raises:
        UserError: it is no duration.
    """
    found = DURATION.fullmatch(text.strip())
    parts = [float(part or 0) for part in found.groups()] if found else []
    seconds = sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=True)) if parts else 0
    if seconds <= 0:
        raise UserError(f"{option}: found {text!r}; expected a duration such as 90s, 9m or 1h30m")
    return seconds


class Deadline:
    """The end of a time budget; None seconds have no end.

    ``near`` is asked between pieces of work, and is true once two more pieces as long as the longest might not fit.
    """

    def __init__(self, seconds: float | None) -> None:
        self.end = None if seconds is None else time.monotonic() + seconds
        self.smallest_reserve = min(SMALLEST_RESERVE, max(seconds, 0.0) / 4) if seconds else 0.0
        self.longest = 0.0
        self.asked: float | None = None

    @classmethod
    def at(cls, clock: float | None) -> "Deadline":
        """The deadline at a time in seconds since 1970."""
        return cls(None if clock is None else clock - time.time())

    def near(self) -> bool:
        """Whether to stop here."""
        now = time.monotonic()
        if self.asked is not None:
            self.longest = max(self.longest, now - self.asked)
        self.asked = now
        return not self.has(0.0)

    def has(self, seconds: float) -> bool:
        """Whether this many seconds are left, besides the time that stopping takes."""
        return self.left is None or self.left > seconds + self.smallest_reserve + 2 * self.longest

    @property
    def left(self) -> float | None:
        """Seconds until the end."""
        return None if self.end is None else self.end - time.monotonic()


class Signals:
    """Handles SIGINT and SIGTERM within ``with``: the first is noted in ``received``, the second interrupts at once.

    Signals that were ignored before stay ignored, as ``nohup`` needs.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "Signals":
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self.before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
