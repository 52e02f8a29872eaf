"""Sweeps: named grids of runs."""

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

from rdbench.config.family import FAMILIES, PART_KINDS, Family, parse_family
from rdbench.config.parts import all_settings, find, known, names, registered, registered_parts, settings_of
from rdbench.config.reading import regular
from rdbench.config.run_config import GRID_KEYS, RunConfig, make_run
from rdbench.errors import UserError, unknown

MOST_RUNS = 1_000_000
"""A sweep of more runs is taken for a slip, since lists multiply. Each run takes 2 kB and some 20 µs."""

LARGEST_FILE = 2**20
MOST_DOTS = 5_000
"""The TOML parser's memory grows as the square of the dots in a key: 50,000 dots take gigabytes."""


Grid = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Sweep:
    """A named sweep of one or more grids of runs.

    Each grid has the keys of a run with their values. The key ``family`` stands for the three parts.
    """

    name: str
    description: str
    grids: tuple[Grid, ...]

    @property
    def varying(self) -> list[str]:
        """The keys that take several values."""
        first, *others = self.grids
        several = [key for key, values in first.items() if len(values) > 1]
        differing = [key for grid in others for key, values in grid.items() if values != first.get(key)]
        return list(dict.fromkeys([*several, *differing]))

    def with_values(self, values: Mapping[str, Any]) -> "Sweep":
        """This sweep with some families chosen, and some values replaced in every grid.

        A family keeps the values of each grid that has it; one that is in no grid is added to the first. A setting of
        a part is replaced only in the grids whose parts have it. The settings of an objective that a grid no longer has
        are dropped.

        Raises:
            UserError: a key is unknown, or no marginal of the sweep takes the ``pseudo_inputs`` given.
        """
        given = _grid(values)
        families = given.pop("family", None)
        grids = self.grids if families is None else _chosen(self.grids, families)
        if "pseudo_inputs" in given:
            _require_taker("pseudo_inputs", [name for grid in grids for name in grid["family"]])
        return replace(self, grids=tuple(_replaced(grids, given)))

    def runs(self) -> list[RunConfig]:
        """Every run of the grids once, in the order of the keys. A run has only the settings that its objective takes.

        Raises:
            UserError: a value is refused, or there are too many runs.
        """
        count = sum(math.prod(map(len, grid.values())) for grid in self.grids)
        if count > MOST_RUNS:
            raise UserError(f"sweep {self.name}: found {count:,} runs; expected at most {MOST_RUNS:,}; shorten a list")
        return list(dict.fromkeys(run for grid in self.grids for run in _runs(grid)))


def _chosen(grids: Sequence[Grid], names: Iterable[str]) -> list[Grid]:
    """The grids with those of the named families that each has; the first has also those that are in none."""
    chosen = list(map(parse_family, names))
    held = [set(map(parse_family, grid["family"])) for grid in grids]
    held[0] |= set(chosen) - set().union(*held)
    kept = [tuple(family.words for family in chosen if family in own) for own in held]
    return [{**grid, "family": words} for grid, words in zip(grids, kept, strict=True) if words]


def _replaced(grids: Sequence[Grid], given: Grid) -> Iterator[Grid]:
    """The grids with the given values; a setting of parts goes to the grids that have such a part, if any has."""
    own = [_settings({**grid, **given}) for grid in grids]
    elsewhere = set().union(*own)
    for grid, mine in zip(grids, own, strict=True):
        new = {**grid, **{key: values for key, values in given.items() if key in mine or key not in elsewhere}}
        lost = _taken(_objectives(grid)) - _taken(_objectives(new)) - set(given)
        yield {key: values for key, values in new.items() if key not in lost}


def _settings(grid: Grid) -> set[str]:
    """The names of the settings that belong to the parts of a grid, its objectives included."""
    objectives = filter(None, (registered("objective", name) for name in _objectives(grid)))
    return set(settings_of(objectives)).union(*map(_own_settings, map(parse_family, grid["family"])))


def _runs(grid: Grid) -> Iterator[RunConfig]:
    """Every run of one grid."""
    families = [parse_family(family) for family in grid["family"]]
    own = {family: _own_settings(family) for family in families}
    shared = set.union(*own.values())
    keys = [key for key in grid if key not in ("family", "seed")]
    others = [[(key, value) for value in grid[key]] for key in keys]
    objectives = _objectives(grid)
    points = (dict(_own(point, objectives)) for point in product(*others))
    given = grid.get("seed", (RunConfig.model_fields["seed"].default,))
    seeds = [make_run({"seed": seed}).seed for seed in given]
    described = [
        [make_run(_without(point, shared - own[family]) | {"seed": seeds[0]} | family._asdict()) for family in families]
        for point in points
    ]
    return (_with_seed(run, seed) for runs in described for seed in seeds for run in runs)


def _with_seed(run: RunConfig, seed: int) -> RunConfig:
    """The run with another seed. Any valid seed goes with any description, so nothing is validated again."""
    return run if run.seed == seed else run.model_copy(update={"seed": seed})


def _own_settings(family: Family) -> set[str]:
    """The names of the settings that belong to the parts of a family."""
    return set(settings_of(find(kind, name) for kind, name in zip(PART_KINDS, family, strict=True)))


def _without(point: Mapping[str, Any], keys: set[str]) -> dict[str, Any]:
    return {key: value for key, value in point.items() if key not in keys}


def _require_taker(key: str, families: Iterable[str]) -> None:
    """Check that a marginal of the families takes a key; a plug-in's marginal is assumed to.

    Raises:
        UserError: none takes it.
    """
    marginals = [find("marginal", parse_family(family).marginal) for family in families]
    if not any(key in part.takes or part.origin for part in marginals):
        takers = [part.name for part in registered_parts() if part.kind == "marginal" and key in part.takes]
        found = ", ".join(dict.fromkeys(part.name for part in marginals))
        raise UserError(f"{key}: marginal {found} takes none; marginals that do: {', '.join(takers)}; leave it out")


def _objectives(grid: Mapping[str, tuple[Any, ...]]) -> tuple[Any, ...]:
    return grid.get("objective", (RunConfig.model_fields["objective"].default,))


def _taken(objectives: Iterable[str]) -> set[str]:
    return {key for objective in objectives for key in _takes(objective)}


def _takes(objective: str) -> tuple[str, ...]:
    """The keys and own settings of an objective; none if it is unknown, since its run will be refused."""
    part = registered("objective", objective)
    return (*part.takes, *settings_of([part])) if part else ()


def _own(point: Sequence[tuple[str, Any]], objectives: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """A point of a grid, without settings that its objective does not take but other objectives of the grid do."""
    mine = _takes(dict(point).get("objective", objectives[0]))
    others = _taken(objectives) - set(mine)
    return ((key, value) for key, value in point if key not in others)


def _grid(values: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Each key with the tuple of its values; a single value becomes a tuple of one."""
    grid = {}
    _load_parts(values)
    known_keys = [*GRID_KEYS, *all_settings()]
    for key, value in values.items():
        if key not in known_keys:
            raise unknown("key", key, known_keys)
        if key == "iwae":  # its value is itself a list
            value = (value,)
        grid[key] = _listed(value)
        if not grid[key]:
            raise UserError(f"{key}: found an empty list; expected at least one value")
    if "all" in grid.get("family", ()):
        grid["family"] = tuple(family.words for family in FAMILIES)
    return grid


def _load_parts(values: Mapping[str, Any]) -> None:
    """Load the installed packages whose parts are named; ``values`` may have the settings of these parts as keys."""
    for name in _listed(values.get("family", ())):
        if name != "all":
            parse_family(name)
    for name in _listed(values.get("objective", ())):
        if not isinstance(name, str):
            raise UserError(f"objective: found {name!r}; expected one of {', '.join(names('objective'))}, or a list")
        known("objective", name)


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def packaged_sweeps() -> list[str]:
    """The names of the sweeps that ship with rdbench."""
    return sorted(entry.name.removesuffix(".toml") for entry in files("rdbench.config.sweeps").iterdir()
                  if entry.name.endswith(".toml"))  # fmt: skip


def load_sweep(name: str) -> Sweep:
    """The packaged sweep of that name, or the one in that TOML file.

    A table under ``[[also]]`` is a further grid, which replaces some values of the first and keeps all others.

    Raises:
        UserError: there is no such sweep, it is not TOML, or one of its keys is unknown.
    """
    if name.endswith(".toml"):
        try:
            text = regular(name, LARGEST_FILE).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise UserError(f"cannot read the sweep {name}: {why}; packaged: {', '.join(packaged_sweeps())}") from None
    elif name in packaged_sweeps():
        text = (files("rdbench.config.sweeps") / f"{name}.toml").read_text(encoding="utf-8")
    else:
        raise unknown("sweep", name, packaged_sweeps())
    if (dots := text.count(".")) > MOST_DOTS:
        raise UserError(f"{name} is not read: found {dots:,} dots; expected at most {MOST_DOTS:,}; split the sweep")
    try:
        values = tomllib.loads(text)
        repr(values)  # errors show values, and Python cannot print the longest integers that TOML allows
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name} is not valid TOML: {error}") from None
    stem = Path(name).stem
    if not stem.strip("."):
        raise UserError(f"sweep {name}: found a name of dots only, which cannot name its store; rename the file")
    description = str(values.pop("description", ""))
    also = values.pop("also", [])
    if not (isinstance(also, list) and all(isinstance(own, dict) for own in also)):
        raise UserError(f"{name}: found also = {also!r}; expected tables, each under [[also]]")
    first = _grid({"family": "all"} | values)
    return Sweep(stem, description, (first, *({**first, **_grid(own)} for own in also)))


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Parse ``key=value`` texts; commas separate the values of a list.

    >>> parse_assignments(["width=0.5", "beta=0.1,1"])
    {'width': '0.5', 'beta': ['0.1', '1']}

    Raises:
        UserError: a text has no ``=``.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UserError(f"--set: found {assignment!r}; expected key=value")
        values[key] = [part.strip() for part in value.split(",")] if "," in value else value
    return values
