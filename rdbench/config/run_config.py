"""Frozen, validated descriptions of runs."""

import hashlib
import json
from collections.abc import Iterable, Mapping
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

from rdbench.config.family import TOY, Family, dataset_kind
from rdbench.errors import UserError, unknown

Count = Annotated[int, Field(ge=1, lt=2**63)]

OBJECTIVES: Mapping[str, tuple[str, ...]] = {
    "beta-vae": ("beta", "anneal_epochs", "anneal_from"),
    "target-rate": ("target_rate", "anneal_epochs"),
    "target-rate-penalty": ("target_rate", "anneal_epochs"),
    "free-bits": ("free_nats",),
    "iwae": ("train_samples",),
}
"""The settings that each objective takes, the first of them its aim."""

AIMS = {"beta": "β", "target_rate": "R*", "free_nats": "λ", "train_samples": "k"}


def _several(value: Any) -> Any:
    """One k of ``iwae`` as a tuple of it; anything else is left for pydantic to judge."""
    return (value,) if isinstance(value, int | str) else value


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
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = Field(0, ge=0, lt=2**63)
    iwae: Annotated[tuple[Count, ...], BeforeValidator(_several), Field(validate_default=True)] = (1, 5, 50)
    rate_samples: Count = 64
    train_images: Annotated[Count | None, BeforeValidator(_number_or_all)] = None
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
    def _ascending_and_none_where_all_is_exact(cls, iwae: tuple[int, ...], others: ValidationInfo) -> tuple[int, ...]:
        if dataset_kind(others.data.get("dataset", "")) == "table":
            return ()
        if not iwae:
            raise ValueError("expected at least one k")
        return tuple(sorted(set(iwae)))

    @model_validator(mode="after")
    def _belongs_together(self) -> "RunConfig":
        if self.anneal_epochs > self.epochs:
            raise ValueError(f"anneal_epochs {self.anneal_epochs} is more than epochs {self.epochs}; set both")
        if self.anneal_from is not None and not self.anneal_epochs:
            raise ValueError(f"anneal_from {self.anneal_from:g} asks for annealing; set anneal_epochs too")
        family = self.family
        discrete = "discrete" in family
        if discrete != (family == TOY) or discrete != self.exact:
            raise ValueError(f"dataset {self.dataset} with {family.words}: the toy goes with {TOY.words} only")
        if self.exact and self.objective == "iwae":
            raise ValueError("objective iwae: the toy is summed exactly, it draws no samples to weigh")
        self._check_objective()
        return self

    def _check_objective(self) -> None:
        taken = OBJECTIVES[self.objective]
        if getattr(self, taken[0]) is None:
            raise ValueError(f"objective {self.objective} needs {taken[0]}; set {taken[0]}")
        for key, default in SETTINGS.items():
            if key not in taken and getattr(self, key) not in (None, default):
                raise ValueError(
                    f"{key} {getattr(self, key)} is no setting of objective {self.objective}, which takes "
                    f"{', '.join(taken)}; leave it out, or set another objective"
                )

    @property
    def family(self) -> Family:
        """The encoder, decoder and marginal."""
        return Family(self.encoder, self.decoder, self.marginal)

    @property
    def exact(self) -> bool:
        """Whether the run's terms are exact sums over the values of a table, as the toy's are, and not sampled."""
        return dataset_kind(self.dataset) == "table"

    def label(self, varying: Iterable[str]) -> str:
        """The run in words: its family, what it aims at, and the values of ``varying`` keys.

        >>> RunConfig().label(["seed", "width"])
        '---  β 1  seed 0  width 1'
        """
        told = ("family", *AIMS)
        others = [f"{key} {getattr(self, key)}".removesuffix(".0") for key in varying if key not in told]
        return "  ".join([self.family.signs, aim(vars(self)), *others])

    def run_id(self, dataset_sha256: str) -> str:
        """The run's name: a hash of this description, with the dataset known by its checksum and not by its path."""
        description = vars(self) | {"dataset": dataset_sha256}
        for key, value in ADDED_LATER.items():
            if description[key] == value:
                del description[key]
        return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:16]


SETTINGS = {key: RunConfig.model_fields[key].default for keys in OBJECTIVES.values() for key in keys}
"""The settings of all objectives, with their defaults."""

ADDED_LATER = {
    key: RunConfig.model_fields[key].default
    for key in (
        "anneal_from",
        "target_rate",
        "free_nats",
        "train_samples",
        "train_images",
        "generated_images",
        "train_information",
    )
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


DESCRIPTION = ("family", *(key for key in RunConfig.model_fields if key not in ("iwae", "train_images", "precision")))
"""The settings that have a column of their own; ``train_images`` and ``precision`` say there what came of theirs."""

GRID_KEYS = ("family", *(key for key in RunConfig.model_fields if key not in Family._fields))
