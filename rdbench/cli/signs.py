"""Replacements for signs that the encoding of the output lacks."""

import codecs
import sys

LETTERS = {"−": "-", "–": "-", "─": "-", "━": "=", "±": "+-", "×": "x", "β": "beta", "λ": "lambda", "Σ": "sum",
           "≤": "<=", "≥": ">=", "•": "o", "…": "...", "ᵢ": "i", "’": "'", "“": '"', "”": '"'}  # fmt: skip
"""The replacement of each sign."""


def replace_missing_signs() -> None:
    """Make stdout and stderr write replacements for signs that they cannot encode."""
    codecs.register_error("letters", _letters)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test or a notebook may have put something else there
            stream.reconfigure(errors="letters")


def _letters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(LETTERS.get(sign, "?") for sign in missing), error.end
