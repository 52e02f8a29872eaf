"""The aim of a run in words, such as "β 0.5"."""

from collections.abc import Mapping
from typing import Any

from rdbench.config.parts import OWN, registered

AIMS = {part.takes[0]: part.sign or part.takes[0] for part in OWN if part.kind == "objective" and part.takes}
"""The key that each of rdbench's objectives aims at, with its sign."""


def aim(run: Mapping[Any, Any]) -> str:
    """The aim of a run's objective in words; ``run`` is a description, or a row of a store's runs.

    >>> aim({"objective": "target-rate", "target_rate": 8.0, "beta": None})
    'R* 8'
    """
    part = registered("objective", run["objective"])
    if part is None or not part.takes:
        return str(run["objective"])
    key = part.takes[0]
    return f"{AIMS.get(key, key)} {run[key]:g}"
