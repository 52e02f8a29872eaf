"""Frozen, validated descriptions of runs and sweeps."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from rdbench.errors import UserError, unknown
from rdbench.family import FAMILIES, Family, parse_family

Count = Annotated[int, Field(ge=1)]


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
    encoder: Literal["gaussian", "iaf"] = "gaussian"
    decoder: Literal["deconv", "pixelcnn"] = "deconv"
    marginal: Literal["gaussian", "maf", "vamp"] = "gaussian"
    width: float = Field(1.0, gt=0, le=8)
    latent_dim: Count = 64
    pseudo_inputs: Count = 500
    objective: Literal["beta-vae"] = "beta-vae"
    beta: float = Field(1.0, ge=0)
    anneal_epochs: int = Field(0, ge=0)
    epochs: Count = 200
    batch_size: Count = 128
    learning_rate: float = Field(3e-4, gt=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = Field(0, ge=0, lt=2**63)
    iwae: Annotated[tuple[Count, ...], Field(min_length=1), BeforeValidator(_ascending)] = (1, 5, 50)
    rate_samples: Count = 64
    evaluation_images: Annotated[Count | None, BeforeValidator(_number_or_all)] = None

    @model_validator(mode="after")
    def _annealing_ends(self) -> "RunConfig":
        if self.anneal_epochs > self.epochs:
            raise ValueError(f"anneal_epochs {self.anneal_epochs} is more than epochs {self.epochs}; set both")
        return self

    @property
    def family(self) -> Family:
        """The encoder, decoder and marginal."""
        return Family(self.encoder, self.decoder, self.marginal)

    def label(self, varying: Iterable[str]) -> str:
        """The run in words: its family and β, and the values of ``varying`` keys.

        >>> RunConfig().label(["seed", "width"])
        '---  β 1  seed 0  width 1'
        """
        others = [f"{key} {getattr(self, key)}".removesuffix(".0") for key in varying if key not in ("family", "beta")]
        return "  ".join([self.family.signs, f"β {self.beta:g}", *others])

    def run_id(self, dataset_sha256: str) -> str:
        """The run's name: a hash of this description, with the dataset known by its checksum and not by its path."""
        description = self.model_dump(mode="json") | {"dataset": dataset_sha256}
        return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:16]


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
        raise UserError(f"{first['loc'][0]}: found {first['input']!r}; {first['msg'].lower()}") from None


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
        """This sweep with the values of some keys replaced."""
        return replace(self, grid={**self.grid, **_grid(values)})

    def runs(self) -> list[RunConfig]:
        """Every run of the grid once, in the order of its keys.

        Raises:
            UserError: a value is refused.
        """
        families = [parse_family(family)._asdict() for family in self.grid["family"]]
        others = [[(key, value) for value in values] for key, values in self.grid.items() if key != "family"]
        runs = [make_run(dict(point) | family) for point in product(*others) for family in families]
        return list(dict.fromkeys(runs))


def _grid(values: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Each key with the tuple of its values; one value makes a tuple of one."""
    grid = {}
    for key, value in values.items():
        if key not in GRID_KEYS:
            raise unknown("key", key, GRID_KEYS)
        if key == "iwae":  # its value is itself a list
            value = (value,)
        grid[key] = tuple(value) if isinstance(value, list | tuple) else (value,)
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
