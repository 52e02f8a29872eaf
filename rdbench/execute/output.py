"""Standard output that may fail: a log on a full disk, or a pipe that nobody reads any more."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO, cast

from rdbench.errors import UserError


class Output:
    """A text stream that goes silent when it fails; it first raises, once, an error that is not ``forgiven``."""

    def __init__(self, stream: TextIO, forgiven: type[OSError]) -> None:
        self.stream: TextIO = stream.stream if isinstance(stream, Output) else stream  # an outer one would not forgive
        self.forgiven = forgiven

    def write(self, text: str) -> int:
        """Write text, unless the stream has failed.

        Raises:
            UserError: the stream fails with an error that is not forgiven.
        """
        if text == "":  # Typer probes a stream with it and passes over what that raises
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
        with suppress(OSError), open(os.devnull, "wb") as nowhere:  # for buffered text too, else Python exits with 120
            os.dup2(nowhere.fileno(), self.stream.fileno())
        if not isinstance(error, self.forgiven):
            raise UserError(f"cannot write the output: {error.strerror}") from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def output(forgiven: type[OSError]) -> Iterator[None]:
    """Let standard output go silent at errors of the type ``forgiven``, and standard error at any."""
    out, errors = Output(sys.stdout, forgiven), Output(sys.stderr, OSError)
    with redirect_stdout(cast(TextIO, out)), redirect_stderr(cast(TextIO, errors)):
        try:
            yield
        finally:
            out.flush()  # a full disk may raise only here


def unstoppable() -> Any:
    """A context or decorator in which a failing output does not stop the runs."""
    return output(OSError)
