"""Standard output that may fail: a log on a full disk, or a pipe that nobody reads any more."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO, cast

from rdbench.errors import UserError


class Output:
    """A text stream that goes silent when it fails; ``failed`` is called once, with the error."""

    def __init__(self, stream: TextIO, failed: Callable[[OSError], None]) -> None:
        self.stream: TextIO = stream.stream if isinstance(stream, Output) else stream  # a failure is handled once
        self.failed = failed

    def write(self, text: str) -> int:
        """Write text, unless the stream has failed; raises what ``failed`` raises."""
        if text == "":  # Typer tests a stream with it, and ignores what that raises
            return 0
        try:
            return self.stream.write(text)
        except OSError as error:
            self._fail(error)
        return len(text)

    def flush(self) -> None:
        """Flush the stream; raises as ``write`` does."""
        try:
            self.stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        with suppress(OSError), open(os.devnull, "wb") as nowhere:  # else Python cannot flush, and exits with 120
            os.dup2(nowhere.fileno(), self.stream.fileno())
        if not isinstance(error, BrokenPipeError):  # a reader who closes the pipe has seen enough
            self.failed(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def output() -> Iterator[None]:
    """Go silent if the reader of standard output closed the pipe; standard error goes silent whenever it fails.

    Raises:
        UserError: standard output cannot be written for another reason.
    """
    with _replaced(_refuse):
        yield


@contextmanager
def unstoppable() -> Iterator[None]:
    """Let no failing output stop the work: a failure of standard output is reported once, on standard error."""
    with _replaced(_tell):
        yield


@contextmanager
def _replaced(failed: Callable[[OSError], None]) -> Iterator[None]:
    out, errors = Output(sys.stdout, failed), Output(sys.stderr, lambda _: None)
    with redirect_stdout(cast(TextIO, out)), redirect_stderr(cast(TextIO, errors)):
        try:
            yield
        finally:
            out.flush()  # a full disk may raise only here


def _refuse(error: OSError) -> None:
    raise UserError(f"cannot write the output: {error.strerror}") from None


def _tell(error: OSError) -> None:
    print(f"rdbench: cannot write the output: {error.strerror}; the work goes on without it", file=sys.stderr)


def open_closed_streams() -> None:
    """Connect each standard stream that is closed (``>&-``) to nothing; else the next file opened would become it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is that of the stream
            os.set_inheritable(nowhere, True)
            setattr(sys, name, os.fdopen(nowhere, mode))
