"""The source code of plug-in parts: its digests in a run's description, compared with those of the code here."""

from collections.abc import Iterable
from typing import cast

from rdbench.config.parts import Kind, Part, find
from rdbench.errors import UserError

SOURCE = r"^(encoder|decoder|marginal|objective) [a-z][a-z0-9_-]* [0-9a-f]{64}$"
"""The source of a plug-in part in a description: its kind, its name, and the SHA-256 of its code."""


def sources_of(parts: Iterable[Part]) -> tuple[str, ...]:
    """The kind, name and source digest of each plug-in part."""
    return tuple(f"{part.kind} {part.name} {part.origin.digest}" for part in parts if part.origin)


def check_sources(sources: Iterable[str]) -> None:
    """Check that the plug-in parts of a run are here, with the source code that its description records.

    Raises:
        UserError: a part is not installed or not loaded, or its source has changed.
    """
    for source in sources:
        kind, name, digest = source.split(" ")
        origin = find(cast(Kind, kind), name).origin
        if origin is None or origin.digest != digest:
            here = f"the source in {origin.path} is {origin.digest[:12]}" if origin else "here it is rdbench's own"
            raise UserError(
                f"{kind} {name}: {here}, the run was described with {digest[:12]}; bring back that source, or run "
                "again with this one"
            )
