"""What a user, rather than a programmer, can get wrong; and how a command says by its exit code what happened."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from enum import IntEnum

MOST_SHOWN = 20
"""How many known names an error lists."""


class ExitCode(IntEnum):
    """What a command ends with."""

    OK = 0
    BROKEN = 1
    USAGE = 2
    INCOMPLETE = 3
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS = {
    ExitCode.OK: "all that was asked for is done, and nothing broke",
    ExitCode.BROKEN: "a run ended badly, or a check, a bound or a comparison failed",
    ExitCode.USAGE: "wrong usage, told in one line; nothing was done",
    ExitCode.INCOMPLETE: "runs are left to do, or a run, a number or a readable file is missing",
    ExitCode.INTERRUPTED: "Ctrl-C; what was done is kept",
    ExitCode.TERMINATED: "SIGTERM; what was done is kept",
}
"""When a command ends with each; `rdbench/cli/README.md` says the same."""


class UserError(Exception):
    """A mistake in what was asked, told in one line: what was found, what was expected, what to do."""

    exit_code = ExitCode.USAGE


class RefusedFileError(OSError):
    """A file that is not read, whatever it holds: a link, a pipe, a device, or one that is too large."""


def require_size(size: int, most: int) -> None:
    """Raise where a file has more bytes than are read.

    Raises:
        RefusedFileError: it has.
    """
    if size > most:
        raise RefusedFileError(f"found {size:,} bytes; expected at most {most:,}")


class InterruptedSweepError(Exception):
    """A sweep stopped before its end; says what is kept and how to go on."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def plain(words: str) -> str:
    r"""Words on one line, as a terminal may show them: what is not printable is written as its escape.

    >>> print(plain("red: \x1b[31m\n"))
    red: \x1b[31m\n
    """
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words)


def counted(count: int, noun: str) -> str:
    """How many of something there are.

    >>> counted(1, "run"), counted(1200, "run")
    ('1 run', '1,200 runs')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def reason(error: Exception) -> str:
    r"""What an exception says, in one line of at most 200 letters.

    >>> reason(ValueError("one\ntwo")), reason(MemoryError())
    ('one', 'MemoryError')
    """
    lines = str(error).splitlines()
    return plain(lines[0])[:200] if lines else type(error).__name__


def named(error: Exception) -> str:
    r"""The kind of an exception, and what it says, in one line.

    >>> named(ValueError("one\ntwo"))
    'ValueError: one'
    """
    return f"{type(error).__name__}: {error}".splitlines()[0]


def one_of(option: str, found: str, expected: Sequence[str]) -> str:
    """``found``, the value of an option, if it is one of those expected.

    Raises:
        UserError: it is not.
    """
    if found not in expected:
        raise UserError(f"{option}: found {found!r}; expected {', '.join(expected[:-1])} or {expected[-1]}")
    return found


def unknown(kind: str, found: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in a table, with the nearest name that is.

    >>> print(unknown("dataset", "minst", ["mnist", "sprites"]))
    unknown dataset 'minst'; did you mean 'mnist'? Known: mnist, sprites
    """
    names = list(known)
    near = get_close_matches(found, names, n=1, cutoff=0.4)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    known_names = f" Known: {', '.join(names)}" if len(names) <= MOST_SHOWN else ""
    return UserError(f"unknown {kind} {found!r}{hint}{known_names}")
