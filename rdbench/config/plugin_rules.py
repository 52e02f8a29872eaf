"""Checks of a plug-in's part before it is registered: it must not clash with a key of a run or another part."""

import re
from collections.abc import Iterable

from rdbench.config.family import PART_KINDS
from rdbench.config.parts import Part, Setting, keys_taken, registered_parts
from rdbench.errors import UserError

WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
WORDS = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def check_part(part: Part) -> None:
    """Check the name, the sign, the settings and the other fields of a plug-in's part.

    Raises:
        UserError: a field is invalid, or clashes with a key of a run or with another part.
    """
    what = f"{part.kind} {part.name!r}" + (f" of {part.origin.where}" if part.origin else "")
    in_family = part.kind in PART_KINDS
    if not isinstance(part.name, str) or not (WORD if in_family else WORDS).fullmatch(part.name):
        hyphen = "" if in_family else ", - "
        raise UserError(f"{what}: expected a name of the letters a to z, digits{hyphen} and _, a letter first")
    for field in ("latent", "settings", "takes"):
        if not isinstance(found := getattr(part, field), tuple):
            raise UserError(f"{what}: found {field}={found!r}; expected a tuple, such as {field}=({found!r},)")
    _check_taken(what, part)
    others = [other for other in registered_parts() if (other.kind, other.name) != (part.kind, part.name)]
    if part.sign and part.sign in (other.sign for other in others if other.kind == part.kind):
        raise UserError(f"{what}: the sign {part.sign!r} is another part's; choose another, or none")
    for setting in part.settings:
        _check_setting(what, setting, others)


def _check_taken(what: str, part: Part) -> None:
    possible = keys_taken(part.kind)
    for key in part.takes:
        if key not in possible:
            expected = f"some of {', '.join(possible)}" if possible else "none"
            raise UserError(f"{what}: found takes {key!r}; expected {expected}; what it alone has goes into settings")


def _check_setting(what: str, setting: Setting, others: Iterable[Part]) -> None:
    from rdbench.config.run_config import KEYS  # here, because run_config imports the registry

    if not (isinstance(setting, Setting) and isinstance(setting.default, int | float | bool | str)):
        raise UserError(f"{what}: found the setting {setting!r}; expected a Setting with a number or a text")
    named = f"{what}, setting {setting.name!r}"
    if not WORD.fullmatch(setting.name):
        raise UserError(f"{named}: expected a name of the letters a to z, digits and _, a letter first")
    if setting.name in (*KEYS, "family"):
        raise UserError(f"{named}: this is a key of every run; choose another name")
    for other in others:
        for theirs in other.settings:
            if theirs.name == setting.name and type(theirs.default) is not type(setting.default):
                kind, found = type(theirs.default).__name__, type(setting.default).__name__
                raise UserError(f"{named}: found {found}; that of {other.kind} {other.name} is {kind}; rename yours")
    setting.checked(setting.default)
