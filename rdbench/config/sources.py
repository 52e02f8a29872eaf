"""The sources of plug-in parts: what a description notes of them, and whether they are the same here."""

from collections.abc import Iterable

from rdbench.config.family import PART_KINDS
from rdbench.config.parts import Part, find
from rdbench.errors import UserError


def sources_of(parts: Iterable[Part]) -> tuple[str, ...]:
    """The kind, name and source digest of each plug-in part."""
    return tuple(f"{part.kind} {part.name} {part.origin.digest}" for part in parts if part.origin)


def check_sources(sources: Iterable[str]) -> None:
    """Check that the plug-in parts of a run are here, with the sources that its description notes.

    Raises:
        UserError: a part is not installed or not loaded, or its source has changed.
    """
    for source in sources:
        kind, name, digest = source.split(" ")
        if kind not in (*PART_KINDS, "objective"):
            raise UserError(f"{source!r} is no source of a part")
        part = find(kind, name)
        found = part.origin.digest if part.origin else "rdbench's own"
        if found != digest:
            where = part.origin.path if part.origin else "rdbench"
            raise UserError(
                f"{kind} {name}: the source in {where} is {found[:12]}, the run was described with {digest[:12]}; "
                "bring back that source, or run again with this one"
            )
