"""Standard output that may fail: a full disk behind a log, a pipe that nobody reads any more."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO, cast

from rdbench.errors import UserError


class Output:
    """A text stream that goes silent when it fails; a failure of another kind than is ``forgiven`` is told first."""

    def __init__(self, stream: TextIO, forgiven: type[OSError]) -> None:
        self.stream = stream
        self.forgiven = forgiven

    def write(self, text: str) -> int:
        """Write as far as that can be done.

        Raises:
            UserError: it cannot, and that is not forgiven.
        """
        try:
            return self.stream.write(text)
        except OSError as error:
            self._fail(error)
        return len(text)

    def flush(self) -> None:
        """Write what waits to be written; raises as ``write`` does."""
        try:
            self.stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        with suppress(OSError), open(os.devnull, "wb") as nowhere:  # for what waits, too, or Python ends with 120
            os.dup2(nowhere.fileno(), self.stream.fileno())
        if not isinstance(error, self.forgiven):
            raise UserError(f"cannot write the output: {error.strerror}") from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def output(forgiven: type[OSError]) -> Iterator[None]:
    """Let standard output go silent at failures of a kind, and standard error at any."""
    out, errors = Output(sys.stdout, forgiven), Output(sys.stderr, OSError)
    with redirect_stdout(cast(TextIO, out)), redirect_stderr(cast(TextIO, errors)):
        try:
            yield
        finally:
            out.flush()  # a full disk may show only now


def unstoppable() -> Any:
    """A context, or a decorator of a function, that goes on without output: runs are worth more than lines."""
    return output(OSError)
