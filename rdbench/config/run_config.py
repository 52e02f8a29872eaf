"""Frozen, validated descriptions of runs."""

import hashlib
import json
import re
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

from rdbench.config.binarise import Binarise, How
from rdbench.config.family import PART_KINDS, TOY, Family, dataset_kind
from rdbench.config.parts import (
    Part,
    all_settings,
    find,
    objectives,
    registered,
    registered_parts,
    settings_of,
)
from rdbench.errors import UserError, unknown

Count = Annotated[int, Field(ge=1, lt=2**63)]
PartName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Schedule = Literal["paper", "constant", "linear", "cosine"]

AIMS = {part.takes[0]: part.sign or part.takes[0] for part in objectives().values()}
"""The keys that objectives aim at, each with its sign."""

FIRST_KEYS = frozenset((
    "dataset", "encoder", "decoder", "marginal", "width", "latent_dim", "pseudo_inputs", "objective", "beta",
    "anneal_epochs", "epochs", "batch_size", "learning_rate", "precision", "seed", "iwae", "rate_samples",
    "evaluation_images",
))  # fmt: skip
"""The keys of the first release: always part of a run's name. Any other key is one only off its default."""

FIRST_LABELS = "first"
"""What the first label set of any dataset is called in a description."""

SETTING_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
READING = {"reading": True}
"""The context in which a description is taken as a store has it, whether or not its parts are known here."""


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
    ``warmup`` is the part of training in which the learning rate rises from 0 to ``learning_rate``; ``schedule`` says
    how it goes on. ``average`` is the decay of the moving average of the weights that is kept, 0 for the weights as
    they are. A run that ``allow_untrained`` lets end with an −ELBO worse than no model counts as ok. ``labels`` is the
    label set that the decoder explains, ``first`` for a dataset's first; None where it explains images.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    dataset: str = "mnist"
    encoder: PartName = "gaussian"
    decoder: PartName = "deconv"
    marginal: PartName = "gaussian"
    width: float = Field(1.0, gt=0, le=8)
    latent_dim: Count = 64
    pseudo_inputs: Count = 500
    objective: str = "beta-vae"
    beta: float | None = Field(None, ge=0, validate_default=True)
    anneal_epochs: int = Field(0, ge=0)
    anneal_from: float | None = Field(None, ge=0)
    target_rate: float | None = Field(None, ge=0)
    free_nats: float | None = Field(None, ge=0)
    train_samples: Count | None = None
    epochs: Count = 200
    batch_size: Count = 128
    learning_rate: float = Field(3e-4, gt=0)
    warmup: float = Field(0.0, ge=0, le=0.5)
    schedule: Schedule = "paper"
    average: float = Field(0.0, ge=0, lt=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = Field(0, ge=0, lt=2**63)
    iwae: Annotated[tuple[Count, ...], BeforeValidator(_several), Field(validate_default=True)] = (1, 5, 50)
    rate_samples: Count = 64
    train_images: Annotated[Count | None, BeforeValidator(_number_or_all)] = None
    evaluation_images: Annotated[Count | None, BeforeValidator(_number_or_all)] = None
    generated_images: Count = 100
    train_information: bool = False
    binarise: How | None = None
    binarise_seed: int | None = Field(None, ge=0, lt=2**32, validate_default=True)
    allow_untrained: bool = False
    labels: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    sources: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _settings_of_parts(cls, values: Any, info: ValidationInfo) -> Any:
        """Fill in the parts' own settings, and the digest of each part that is not rdbench's own."""
        if not isinstance(values, Mapping):
            return values
        if info.context == READING:
            for key in set(values) - set(cls.model_fields):
                if not SETTING_NAME.fullmatch(key) or not isinstance(values[key], int | float | str):
                    raise ValueError(f"{key[:50]}: not the setting of a part")
            here = [registered(kind, str(values.get(kind))) for kind in (*PART_KINDS, "objective")]
            own = settings_of(part for part in here if part)
            return {name: setting.default for name, setting in own.items()} | dict(values)
        parts = _parts(values)
        own, given = settings_of(parts), dict(values)
        for key in given:
            if key not in cls.model_fields and key not in own:
                raise UserError(_unknown_key(key, parts))
        given |= {name: setting.checked(given.get(name, setting.default)) for name, setting in own.items()}
        return given | {"sources": _sources(parts), "labels": _labels(given.get("labels"), parts)}

    @field_validator("beta")
    @classmethod
    def _one_where_there_is_a_beta(cls, beta: float | None, others: ValidationInfo) -> float | None:
        return 1.0 if beta is None and others.data.get("objective") == "beta-vae" else beta

    @field_validator("binarise_seed")
    @classmethod
    def _zero_where_bits_are_drawn(cls, seed: int | None, others: ValidationInfo) -> int | None:
        drawn = others.data.get("binarise") == "bernoulli"
        if seed is not None and not drawn:
            raise ValueError("it goes with binarise bernoulli only, which draws; leave it out")
        return 0 if drawn and seed is None else seed

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
        gradient = self.settings.get("gradient", "pathwise")
        if self.objective == "iwae" and gradient != "pathwise":
            raise ValueError(
                f"gradient {gradient}: objective iwae weighs single draws, whose gradient only pathwise gives; choose "
                "gradient=pathwise, or another objective"
            )
        if self.exact and self.average:
            raise ValueError(f"average {self.average:g}: the toy keeps its tables as trained; leave it out")
        if self.exact and self.objective == "iwae":
            raise ValueError("objective iwae: the toy is summed exactly, it draws no samples to weigh")
        if self.labels is not None and self.objective == "iwae":
            raise ValueError("objective iwae: it bounds log p of images, and the decoder explains labels")
        return self

    @model_validator(mode="after")
    def _parts_agree(self, info: ValidationInfo) -> "RunConfig":
        if info.context != READING:
            encoder, *others = (find(kind, name) for kind, name in zip(PART_KINDS, self.family, strict=True))
            for part in others:
                if not set(encoder.latent) & set(part.latent):
                    raise ValueError(
                        f"{part.kind} {part.name} takes z of {' or '.join(part.latent)}; encoder {encoder.name} gives "
                        f"{' or '.join(encoder.latent)}; choose parts that agree"
                    )
            self._check_objective(find("objective", self.objective).takes)
        return self

    def _check_objective(self, taken: tuple[str, ...]) -> None:
        if taken and getattr(self, taken[0]) is None:
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
    def binarisation(self) -> Binarise | None:
        """How the grey levels of the dataset become bits; None where it holds bits."""
        return None if self.binarise is None else Binarise(self.binarise, self.binarise_seed)

    @property
    def exact(self) -> bool:
        """Whether the run's terms are exact sums over the values of a table, as the toy's are, and not sampled."""
        return dataset_kind(self.dataset) == "table"

    def label(self, varying: Iterable[str]) -> str:
        """The run in words: its family, what it aims at, and the values of ``varying`` keys that it has.

        >>> RunConfig().label(["seed", "width"])
        '---  β 1  seed 0  width 1'
        """
        told = ("family", *AIMS)
        values = vars(self) | self.settings
        others = [f"{key} {values[key]}".removesuffix(".0") for key in varying if key in values and key not in told]
        return "  ".join([self.family.signs, aim(vars(self)), *others])

    @property
    def settings(self) -> dict[str, Any]:
        """The parts' own settings."""
        return dict(self.model_extra or {})

    def columns(self) -> dict[str, Any]:
        """The settings as a row of the table of runs has them, with the family in words."""
        return self.model_dump(mode="json", exclude={"iwae", "sources"}) | {"family": self.family.words}

    def run_id(self, dataset_sha256: str) -> str:
        """The run's name: a hash of this description, with the dataset known by its checksum and not by its path.

        A key that is none of the first release's is hashed only where it differs from its default, so that the names
        of older runs stay as they are.
        """
        own = (registered(kind, getattr(self, kind)) for kind in (*PART_KINDS, "objective"))
        settings = settings_of(part for part in own if part)
        defaults = later_defaults() | {key: setting.default for key, setting in settings.items()}
        description = {
            key: value
            for key, value in (vars(self) | self.settings).items()
            if key in FIRST_KEYS or key not in defaults or value != defaults[key]
        } | {"dataset": dataset_sha256}
        return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:16]


SETTINGS = {key: RunConfig.model_fields[key].default for part in objectives().values() for key in part.takes}
"""The settings of rdbench's own objectives, with their defaults."""


def later_defaults() -> dict[str, Any]:
    """The keys that are none of the first release's, with their defaults."""
    return {key: field.default for key, field in RunConfig.model_fields.items() if key not in FIRST_KEYS}


def _parts(values: Mapping[str, Any]) -> list[Part]:
    """The parts that a description names, where it names none the default ones.

    Raises:
        UserError: a part is unknown.
    """
    fields = RunConfig.model_fields
    return [find(kind, str(values.get(kind, fields[kind].default))) for kind in (*PART_KINDS, "objective")]


def _labels(found: Any, parts: Iterable[Part]) -> Any:
    """The label set of a run, the first unless another is named; None where its decoder explains images.

    Raises:
        UserError: a label set is named, and the decoder explains images.
    """
    (decoder,) = (part for part in parts if part.kind == "decoder")
    if decoder.explains == "label":
        return FIRST_LABELS if found is None else found
    if found is not None:
        raise UserError(f"labels {found}: decoder {decoder.name} explains images; leave it out, or choose another")
    return None


def _sources(parts: Iterable[Part]) -> tuple[str, ...]:
    """For each part from elsewhere what it is, and the digest of its source."""
    return tuple(f"{part.kind} {part.name} {part.origin.digest}" for part in parts if part.origin)


def _unknown_key(key: str, parts: Iterable[Part]) -> str:
    own = all_settings()
    if key in own:
        takers = [f"{part.kind} {part.name}" for part in registered_parts() if key in settings_of([part])]
        chosen = ", ".join(f"{part.kind} {part.name}" for part in parts)
        return f"{key} is a setting of {', '.join(takers)}; found {chosen}; leave it out, or choose another part"
    return str(unknown("key", key, [*GRID_KEYS, *own]))


def check_sources(run: RunConfig) -> None:
    """See that the parts from elsewhere are here, and are what the run was described with.

    Raises:
        UserError: one is not installed or not loaded, or its source is another.
    """
    for source in run.sources:
        kind, name, digest = source.split(" ")
        if kind not in (*PART_KINDS, "objective"):
            raise UserError(f"{source!r} is no source of a part")
        part = find(kind, name)
        found = part.origin.digest if part.origin else "rdbench's own"
        if found != digest:
            where = part.origin.where if part.origin else "rdbench"
            raise UserError(
                f"{kind} {name}: the source in {where} is {found[:12]}, the run was described with {digest[:12]}; "
                "bring back the source of then, or do the run again with this one"
            )


def own_settings(config: str) -> list[str]:
    """The names of the settings that parts have of their own, of a description in JSON."""
    return [key for key in json.loads(config) if key not in RunConfig.model_fields]


def aim(run: Mapping[Any, Any]) -> str:
    """What a run's objective aims at, in words; ``run`` is a description, or a row of a store's runs.

    >>> aim({"objective": "target-rate", "target_rate": 8.0, "beta": None})
    'R* 8'
    """
    part = registered("objective", run["objective"])
    if part is None or not part.takes:
        return str(run["objective"])
    key = part.takes[0]
    return f"{AIMS.get(key, key)} {run[key]:g}"


def make_run(values: Mapping[str, Any], *, reading: bool = False) -> RunConfig:
    """A run from plain values; when ``reading`` a store, its parts need not be known here.

    Raises:
        UserError: a key is unknown or a value is refused; the line names both.
    """
    try:
        return RunConfig.model_validate(values, context=READING if reading else None)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise UserError(first["msg"].removeprefix("Value error, ")) from None
        told = first["msg"].removeprefix("Value error, ").lower()
        raise UserError(f"{first['loc'][0]}: found {first['input']!r}; {told}") from None


NO_COLUMN = ("iwae", "train_images", "precision", "sources")
DESCRIPTION = ("family", *(key for key in RunConfig.model_fields if key not in NO_COLUMN))
"""The settings that have a column of their own; ``train_images`` and ``precision`` say there what came of theirs."""

GRID_KEYS = ("family", *(key for key in RunConfig.model_fields if key not in (*PART_KINDS, "sources")))
