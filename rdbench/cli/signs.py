"""Output in an encoding that lacks some of our signs."""

import codecs
import sys

LETTERS = {"−": "-", "–": "-", "─": "-", "━": "=", "±": "+-", "×": "x", "β": "beta", "λ": "lambda", "Σ": "sum",
           "≤": "<=", "≥": ">=", "•": "o", "…": "...", "ᵢ": "i", "’": "'", "“": '"', "”": '"'}  # fmt: skip
"""What a sign is written as where it cannot be."""


def replace_missing_signs() -> None:
    """See that what stdout and stderr cannot encode is written in other letters."""
    codecs.register_error("letters", _letters)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test or a notebook may have put something else there
            stream.reconfigure(errors="letters")


def _letters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(LETTERS.get(sign, "?") for sign in missing), error.end
