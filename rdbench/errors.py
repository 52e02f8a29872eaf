"""Errors that users make, the words of their messages, and the exit codes of commands."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from enum import IntEnum

MOST_SHOWN = 20
"""How many known names an error lists."""


class ExitCode(IntEnum):
    """The exit codes of every command."""

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
"""What each exit code means; `rdbench/cli/README.md` says the same."""


class UserError(Exception):
    """A user's mistake; its one line says what was found, what was expected, and what to do."""

    exit_code = ExitCode.USAGE


class RefusedFileError(OSError):
    """A file that rdbench does not read: a link, a pipe, a device, or one that is too large."""


def require_size(size: int, most: int) -> None:
    """Check that a file has at most ``most`` bytes.

    Raises:
        RefusedFileError: it has more.
    """
    if size > most:
        raise RefusedFileError(f"found {size:,} bytes; expected at most {most:,}")


class InterruptedSweepError(Exception):
    """A sweep stopped before its end; the message says what is kept and how to go on."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def plain(words: str) -> str:
    r"""Text that is safe to show in a terminal: unprintable letters, line ends among them, become escapes.

    >>> print(plain("red: \x1b[31m\n"))
    red: \x1b[31m\n
    """
    if words.isprintable():
        return words
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words)


def counted(count: int, noun: str) -> str:
    """A count with its noun, in the plural unless it is one.

    >>> counted(1, "run"), counted(1200, "run")
    ('1 run', '1,200 runs')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def reason(error: Exception) -> str:
    r"""The first line of an exception's message, at most 200 letters; its type where it has none.

    >>> reason(ValueError("one\ntwo")), reason(MemoryError())
    ('one', 'MemoryError')
    """
    lines = str(error).splitlines()
    return plain(lines[0])[:200] if lines else type(error).__name__


def named(error: Exception) -> str:
    r"""The type of an exception and the first line of its message.

    >>> named(ValueError("one\ntwo"))
    'ValueError: one'
    """
    return f"{type(error).__name__}: {error}".splitlines()[0]


def one_of(option: str, found: str, expected: Sequence[str]) -> str:
    """Check that the value ``found`` of an option is one of those expected, and return it.

    Raises:
        UserError: it is none of them.
    """
    if found not in expected:
        raise UserError(f"{option}: found {found!r}; expected {', '.join(expected[:-1])} or {expected[-1]}")
    return found


def unknown(kind: str, found: str, known: Iterable[str]) -> UserError:
    """The error for an unknown name; it suggests the nearest known one, and lists them all where they are few.

    >>> print(unknown("dataset", "minst", ["mnist", "sprites"]))
    unknown dataset 'minst'; did you mean 'mnist'? Known: mnist, sprites
    """
    names = list(known)
    near = get_close_matches(found, names, n=1, cutoff=0.4)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    known_names = f" Known: {', '.join(names)}" if len(names) <= MOST_SHOWN else ""
    return UserError(f"unknown {kind} {found!r}{hint}{known_names}")
