"""Frozen, validated descriptions of runs and sweeps."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from rdbench.errors import UserError, unknown
from rdbench.family import FAMILIES, TOY, TOY_DATASET, Family, parse_family

Count = Annotated[int, Field(ge=1)]

OBJECTIVES: Mapping[str, tuple[str, ...]] = {
    "beta-vae": ("beta", "anneal_epochs", "anneal_from"),
    "target-rate": ("target_rate", "anneal_epochs"),
    "target-rate-penalty": ("target_rate", "anneal_epochs"),
    "free-bits": ("free_nats",),
    "iwae": ("train_samples",),
}
"""The settings that each objective takes, the first of them its aim."""

AIMS = {"beta": "β", "target_rate": "R*", "free_nats": "λ", "train_samples": "k"}


def _ascending(value: Any) -> Any:
    """``iwae`` as an ascending tuple without repeats; anything but a list is left for pydantic to judge."""
    if isinstance(value, int | str):
        value = (value,)
    return tuple(sorted(set(value))) if isinstance(value, list | tuple) else value


def _number_or_all(value: Any) -> Any:
    """``all`` is how one types None."""
    return None if value == "all" else value


class RunConfig(BaseModel):
    """One run: everything that decides its numbers, except the data, which is known by its checksum.

    Defaults are the protocol of "Fixing a Broken ELBO" (Alemi et al., 2018, https://arxiv.org/abs/1711.00464);
    ``batch_size``, ``pseudo_inputs``, ``anneal_epochs`` and the evaluation's numbers are ours, for it prints none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: str = "mnist"
    encoder: Literal["gaussian", "iaf", "discrete"] = "gaussian"
    decoder: Literal["deconv", "pixelcnn", "discrete"] = "deconv"
    marginal: Literal["gaussian", "maf", "vamp", "discrete"] = "gaussian"
    width: float = Field(1.0, gt=0, le=8)
    latent_dim: Count = 64
    pseudo_inputs: Count = 500
    objective: Literal["beta-vae", "target-rate", "target-rate-penalty", "free-bits", "iwae"] = "beta-vae"
    beta: float | None = Field(None, ge=0, validate_default=True)
    anneal_epochs: int = Field(0, ge=0)
    anneal_from: float | None = Field(None, ge=0)
    target_rate: float | None = Field(None, ge=0)
    free_nats: float | None = Field(None, ge=0)
    train_samples: Count | None = None
    epochs: Count = 200
    batch_size: Count = 128
    learning_rate: float = Field(3e-4, gt=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = Field(0, ge=0, lt=2**63)
    iwae: Annotated[tuple[Count, ...], BeforeValidator(_ascending), Field(validate_default=True)] = (1, 5, 50)
    rate_samples: Count = 64
    evaluation_images: Annotated[Count | None, BeforeValidator(_number_or_all)] = None
    generated_images: Count = 100
    train_information: bool = False

    @field_validator("beta")
    @classmethod
    def _one_where_there_is_a_beta(cls, beta: float | None, others: ValidationInfo) -> float | None:
        return 1.0 if beta is None and others.data.get("objective") == "beta-vae" else beta

    @field_validator("anneal_from")
    @classmethod
    def _from_nothing_is_the_rule(cls, start: float | None) -> float | None:
        return start or None

    @field_validator("iwae")
    @classmethod
    def _none_where_all_is_exact(cls, iwae: tuple[int, ...], others: ValidationInfo) -> tuple[int, ...]:
        if others.data.get("dataset") == TOY_DATASET:
            return ()
        if not iwae:
            raise ValueError("expected at least one k")
        return iwae

    @model_validator(mode="after")
    def _belongs_together(self) -> "RunConfig":
        if self.anneal_epochs > self.epochs:
            raise ValueError(f"anneal_epochs {self.anneal_epochs} is more than epochs {self.epochs}; set both")
        if self.anneal_from is not None and not self.anneal_epochs:
            raise ValueError(f"anneal_from {self.anneal_from:g} asks for annealing; set anneal_epochs too")
        discrete = "discrete" in self.family
        if discrete != (self.family == TOY) or discrete != (self.dataset == TOY_DATASET):
            raise ValueError(f"dataset {self.dataset} with {self.family.words}: the toy goes with {TOY.words} only")
        if self.dataset == TOY_DATASET and self.objective == "iwae":
            raise ValueError("objective iwae: the toy is summed exactly, it draws no samples to weigh")
        self._check_objective()
        return self

    def _check_objective(self) -> None:
        taken = OBJECTIVES[self.objective]
        if getattr(self, taken[0]) is None:
            raise ValueError(f"objective {self.objective} needs {taken[0]}; set {taken[0]}")
        for key in dict.fromkeys(key for keys in OBJECTIVES.values() for key in keys):
            if key not in taken and getattr(self, key) not in (None, RunConfig.model_fields[key].default):
                raise ValueError(
                    f"{key} {getattr(self, key)} is no setting of objective {self.objective}, which takes "
                    f"{', '.join(taken)}; leave it out, or set another objective"
                )

    @property
    def family(self) -> Family:
        """The encoder, decoder and marginal."""
        return Family(self.encoder, self.decoder, self.marginal)

    def label(self, varying: Iterable[str]) -> str:
        """The run in words: its family, what it aims at, and the values of ``varying`` keys.

        >>> RunConfig().label(["seed", "width"])
        '---  β 1  seed 0  width 1'
        """
        told = ("family", *AIMS)
        others = [f"{key} {getattr(self, key)}".removesuffix(".0") for key in varying if key not in told]
        return "  ".join([self.family.signs, aim(dict(self)), *others])

    def run_id(self, dataset_sha256: str) -> str:
        """The run's name: a hash of this description, with the dataset known by its checksum and not by its path."""
        values = self.model_dump(mode="json") | {"dataset": dataset_sha256}
        description = {key: value for key, value in values.items() if ADDED_LATER.get(key, ...) != value}
        return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:16]


ADDED_LATER = {
    key: RunConfig.model_fields[key].default
    for key in ("anneal_from", "target_rate", "free_nats", "train_samples", "generated_images", "train_information")
}
"""Settings that runs once had no word for: at these values they are no part of a run's name, which stays as it was."""


def aim(run: Mapping[Any, Any]) -> str:
    """What a run's objective aims at, in words; ``run`` is a description, or a row of a store's runs.

    >>> aim({"objective": "target-rate", "target_rate": 8.0, "beta": None})
    'R* 8'
    """
    key = OBJECTIVES[run["objective"]][0]
    return f"{AIMS[key]} {run[key]:g}"


def make_run(values: Mapping[str, Any]) -> RunConfig:
    """A run from plain values.

    Raises:
        UserError: a key is unknown or a value is refused; the line names both.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "extra_forbidden":
            raise unknown("key", str(first["loc"][0]), GRID_KEYS) from None
        if not first["loc"]:
            raise UserError(first["msg"].removeprefix("Value error, ")) from None
        told = first["msg"].removeprefix("Value error, ").lower()
        raise UserError(f"{first['loc'][0]}: found {first['input']!r}; {told}") from None


GRID_KEYS = ("family", *(key for key in RunConfig.model_fields if key not in Family._fields))


@dataclass(frozen=True)
class Sweep:
    """A named grid of runs: every key of a run with the values it takes, ``family`` standing for its three parts."""

    name: str
    description: str
    grid: Mapping[str, tuple[Any, ...]]

    @property
    def varying(self) -> list[str]:
        """The keys that take several values."""
        return [key for key, values in self.grid.items() if len(values) > 1]

    def with_values(self, values: Mapping[str, Any]) -> "Sweep":
        """This sweep with some values replaced, less its own settings of objectives that it then no longer has."""
        given = _grid(values)
        grid = {**self.grid, **given}
        lost = _taken(_objectives(self.grid)) - _taken(_objectives(grid)) - set(given)
        return replace(self, grid={key: values for key, values in grid.items() if key not in lost})

    def runs(self) -> list[RunConfig]:
        """Every run of the grid once, in the order of its keys; of several objectives each takes its own settings.

        Raises:
            UserError: a value is refused.
        """
        families = [parse_family(family)._asdict() for family in self.grid["family"]]
        keys = sorted(self.grid.keys(), key=lambda key: key == "seed")  # seeds of one description side by side
        others = [[(key, value) for value in self.grid[key]] for key in keys if key != "family"]
        objectives = _objectives(self.grid)
        points = (dict(_own(point, objectives)) for point in product(*others))
        return list(dict.fromkeys(make_run(point | family) for point in points for family in families))


def _objectives(grid: Mapping[str, tuple[Any, ...]]) -> tuple[Any, ...]:
    return grid.get("objective", (RunConfig.model_fields["objective"].default,))


def _taken(objectives: Iterable[str]) -> set[str]:
    return {key for objective in objectives for key in OBJECTIVES.get(objective, ())}


def _own(point: Sequence[tuple[str, Any]], objectives: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """A point of a grid less the settings that not its own, but another of the grid's objectives takes."""
    mine = OBJECTIVES.get(dict(point).get("objective", objectives[0]), ())
    others = _taken(objectives) - set(mine)
    return ((key, value) for key, value in point if key not in others)


def _grid(values: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Each key with the tuple of its values; one value makes a tuple of one."""
    grid = {}
    for key, value in values.items():
        if key not in GRID_KEYS:
            raise unknown("key", key, GRID_KEYS)
        if key == "iwae":  # its value is itself a list
            value = (value,)
        grid[key] = tuple(value) if isinstance(value, list | tuple) else (value,)
        if key == "objective" and not all(isinstance(name, str) for name in grid[key]):
            raise UserError(f"objective: found {value!r}; expected one of {', '.join(OBJECTIVES)}, or a list of them")
        if not grid[key]:
            raise UserError(f"{key}: found an empty list; expected at least one value")
    if "all" in grid.get("family", ()):
        grid["family"] = tuple(family.words for family in FAMILIES)
    return grid


def packaged_sweeps() -> list[str]:
    """The names of the sweeps that ship with rdbench."""
    return sorted(entry.name.removesuffix(".toml") for entry in files("rdbench.sweeps").iterdir()
                  if entry.name.endswith(".toml"))  # fmt: skip


def load_sweep(name: str) -> Sweep:
    """The sweep of that name, or of that TOML file.

    Raises:
        UserError: there is none, it is not TOML, or a key of it is unknown.
    """
    if name.endswith(".toml"):
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise UserError(f"cannot read the sweep {name}: {why}; packaged: {', '.join(packaged_sweeps())}") from None
    elif name in packaged_sweeps():
        text = (files("rdbench.sweeps") / f"{name}.toml").read_text(encoding="utf-8")
    else:
        raise unknown("sweep", name, packaged_sweeps())
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{name} is not valid TOML: {error}") from None
    description = str(values.pop("description", ""))
    defaults = {"family": "all"}
    return Sweep(Path(name).stem, description, _grid(defaults | values))


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """``key=value`` texts as values; commas separate the values of a list.

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
