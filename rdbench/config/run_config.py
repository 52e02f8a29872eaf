"""Frozen, validated descriptions of runs."""

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

from rdbench.config.aims import AIMS, aim
from rdbench.config.binarise import Binarise, How
from rdbench.config.family import PART_KINDS, Family, dataset_kind
from rdbench.config.identity import FIRST_KEYS, name_of
from rdbench.config.parts import Part, all_settings, find, registered, registered_parts, settings_of
from rdbench.config.rules import check_keys, check_parts
from rdbench.config.sources import SOURCE, sources_of
from rdbench.errors import UserError, unknown

Count = Annotated[int, Field(ge=1, lt=2**63)]
PartName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Source = Annotated[str, Field(pattern=SOURCE)]
Schedule = Literal["paper", "constant", "linear", "cosine"]

FIRST_LABELS = "first"
"""In a description, this is the name of a dataset's first label set."""

SETTING_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
READING = {"reading": True}
"""The context in which a stored description is read: its parts need not be installed here."""


def _as_tuple(value: Any) -> Any:
    """A single k as a tuple; pydantic checks every other value."""
    return (value,) if isinstance(value, int | str) else value


def _number_or_all(value: Any) -> Any:
    """None for the word ``all``."""
    return None if value == "all" else value


class RunConfig(BaseModel):
    """One run: everything that decides its numbers. The data counts by its checksum.

    Defaults are the protocol of "Fixing a Broken ELBO" (Alemi et al., 2018, https://arxiv.org/abs/1711.00464). The
    paper does not print ``batch_size``, ``pseudo_inputs``, ``anneal_epochs`` and the numbers of the evaluation; these
    are ours. The learning rate rises from 0 to ``learning_rate`` over the fraction ``warmup`` of training, then follows
    ``schedule``. ``average`` is the decay of the moving average of the weights; 0 keeps the weights as they are. After
    ``epochs``, the marginal alone is trained for another ``marginal_epochs``. With ``allow_untrained`` a run that ends
    worse than guessing still counts as ok. ``labels`` is the label set that the decoder explains; it is None if the
    decoder explains images.
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
    epochs: int = Field(200, ge=0, lt=2**63)
    batch_size: Count = 128
    learning_rate: float = Field(3e-4, gt=0)
    warmup: float = Field(0.0, ge=0, le=0.5)
    schedule: Schedule = "paper"
    average: float = Field(0.0, ge=0, lt=1)
    marginal_epochs: int = Field(0, ge=0, lt=2**63)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = Field(0, ge=0, lt=2**63)
    iwae: Annotated[tuple[Count, ...], BeforeValidator(_as_tuple), Field(validate_default=True)] = (1, 5, 50)
    rate_samples: Count = 64
    train_images: Annotated[Count | None, BeforeValidator(_number_or_all)] = None
    evaluation_images: Annotated[Count | None, BeforeValidator(_number_or_all)] = None
    generated_images: Count = 100
    train_information: bool = False
    binarise: How | None = None
    binarise_seed: int | None = Field(None, ge=0, lt=2**32, validate_default=True)
    allow_untrained: bool = False
    labels: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    sources: tuple[Source, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _settings_of_parts(cls, values: Any, info: ValidationInfo) -> Any:
        """Fill in the parts' own settings, and the digest of each plug-in part."""
        if not isinstance(values, Mapping):
            return values
        if info.context == READING:
            for key in set(values) - KEYS:
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
        return given | {"sources": sources_of(parts), "labels": _labels(given.get("labels"), parts)}

    @field_validator("beta")
    @classmethod
    def _default_beta(cls, beta: float | None, others: ValidationInfo) -> float | None:
        return 1.0 if beta is None and others.data.get("objective") == "beta-vae" else beta

    @field_validator("binarise_seed")
    @classmethod
    def _default_binarise_seed(cls, seed: int | None, others: ValidationInfo) -> int | None:
        drawn = others.data.get("binarise") == "bernoulli"
        if seed is not None and not drawn:
            raise ValueError("only binarise=bernoulli draws; leave it out")
        return 0 if drawn and seed is None else seed

    @field_validator("anneal_from")
    @classmethod
    def _zero_is_the_default(cls, start: float | None) -> float | None:
        return start or None

    @field_validator("iwae")
    @classmethod
    def _ascending_or_empty_where_useless(cls, iwae: tuple[int, ...], others: ValidationInfo) -> tuple[int, ...]:
        encoder = registered("encoder", str(others.data.get("encoder")))
        if dataset_kind(others.data.get("dataset", "")) == "table" or (encoder and encoder.deterministic):
            return ()
        if not iwae and others.context != READING:
            raise ValueError("expected at least one k")
        return tuple(sorted(set(iwae)))

    @model_validator(mode="after")
    def _goes_together(self, info: ValidationInfo) -> "RunConfig":
        check_keys(self)
        if info.context != READING:
            check_parts(self)
        return self

    @property
    def family(self) -> Family:
        """The encoder, decoder and marginal."""
        return Family(self.encoder, self.decoder, self.marginal)

    @property
    def binarisation(self) -> Binarise | None:
        """How the dataset's grey levels become bits; None if it holds bits."""
        return None if self.binarise is None else Binarise(self.binarise, self.binarise_seed)

    @property
    def exact(self) -> bool:
        """Whether R and D are exact sums over a table, as the toy's are, rather than sampled."""
        return dataset_kind(self.dataset) == "table"

    def label(self, varying: Iterable[str]) -> str:
        """The run in words: its family, its aim, and its values of the ``varying`` keys.

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
        """The settings for a row of the table of runs, with the family in words."""
        return self.model_dump(mode="json", exclude={"iwae", "sources"}) | {"family": self.family.words}

    def run_id(self, dataset_sha256: str) -> str:
        """The run's name, given the checksum of its data."""
        own = (registered(kind, getattr(self, kind)) for kind in (*PART_KINDS, "objective"))
        settings = settings_of(part for part in own if part)
        defaults = LATER_DEFAULTS | {key: setting.default for key, setting in settings.items()}
        return name_of(vars(self) | self.settings, defaults, dataset_sha256)


KEYS = frozenset(RunConfig.model_fields)
"""The settings that every run has."""

LATER_DEFAULTS = {key: field.default for key, field in RunConfig.model_fields.items() if key not in FIRST_KEYS}
"""The keys newer than the first release, with their defaults."""


def _parts(values: Mapping[str, Any]) -> list[Part]:
    """The encoder, decoder, marginal and objective of a description, with defaults for those that it leaves out.

    Raises:
        UserError: a part is unknown.
    """
    fields = RunConfig.model_fields
    return [find(kind, str(values.get(kind, fields[kind].default))) for kind in (*PART_KINDS, "objective")]


def _labels(found: Any, parts: Iterable[Part]) -> Any:
    """The label set of a run, by default the first; None if its decoder explains images.

    Raises:
        UserError: a label set is named, but the decoder explains images.
    """
    (decoder,) = (part for part in parts if part.kind == "decoder")
    if decoder.explains == "label":
        return FIRST_LABELS if found is None else found
    if found is not None:
        raise UserError(f"labels {found}: decoder {decoder.name} explains images; leave it out, or choose another")
    return None


def _unknown_key(key: str, parts: Iterable[Part]) -> str:
    own = all_settings()
    if key in own:
        takers = [f"{part.kind} {part.name}" for part in registered_parts() if key in settings_of([part])]
        chosen = ", ".join(f"{part.kind} {part.name}" for part in parts)
        why = "".join(f" ({part.name}: {part.lacks[key]})" for part in parts if key in part.lacks)
        return f"{key} is a setting of {', '.join(takers)}; found {chosen}{why}; leave it out, or choose another part"
    return str(unknown("key", key, [*GRID_KEYS, *own]))


def make_run(values: Mapping[str, Any], *, reading: bool = False) -> RunConfig:
    """A run from plain values; with ``reading``, as from a store, its parts need not be installed here.

    Raises:
        UserError: a key is unknown, or its value is refused.
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
"""The settings that have a column. The columns ``train_images`` and ``precision`` are not among them: they hold what
the run used."""

GRID_KEYS = ("family", *(key for key in RunConfig.model_fields if key not in (*PART_KINDS, "sources")))
