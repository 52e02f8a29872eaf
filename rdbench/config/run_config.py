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
"""The key that each objective aims at, with its sign."""

FIRST_KEYS = frozenset((
    "dataset", "encoder", "decoder", "marginal", "width", "latent_dim", "pseudo_inputs", "objective", "beta",
    "anneal_epochs", "epochs", "batch_size", "learning_rate", "precision", "seed", "iwae", "rate_samples",
    "evaluation_images",
))  # fmt: skip
"""The keys of the first release, which every run's name hashes. Any later key is hashed only off its default."""

FIRST_LABELS = "first"
"""The name by which a description calls the first label set of any dataset."""

SETTING_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
READING = {"reading": True}
"""The context for reading a description from a store: its parts need not be installed here."""


def _as_tuple(value: Any) -> Any:
    """A tuple of one k of ``iwae``; pydantic judges anything else."""
    return (value,) if isinstance(value, int | str) else value


def _number_or_all(value: Any) -> Any:
    """None for ``all``, which is how users type it."""
    return None if value == "all" else value


class RunConfig(BaseModel):
    """One run: everything that decides its numbers, except the data, which its checksum stands for.

    Defaults are the protocol of "Fixing a Broken ELBO" (Alemi et al., 2018, https://arxiv.org/abs/1711.00464);
    ``batch_size``, ``pseudo_inputs``, ``anneal_epochs`` and the evaluation's numbers are ours, for it prints none.
    The learning rate rises from 0 to ``learning_rate`` over the fraction ``warmup`` of training, then follows
    ``schedule``. ``average`` is the decay of the moving average of the weights; 0 keeps the weights as they are.
    For ``marginal_epochs`` more the marginal is trained on, with encoder and decoder frozen.
    With ``allow_untrained`` a run that ends worse than guessing still counts as ok. ``labels`` is the
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
    sources: tuple[str, ...] = ()

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
        return given | {"sources": _sources(parts), "labels": _labels(given.get("labels"), parts)}

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
                f"gradient {gradient}: objective iwae needs the pathwise gradient; choose gradient=pathwise, "
                "or another objective"
            )
        if self.marginal_epochs and (self.exact or self.average):
            what = "an average of the weights" if self.average else "the toy"
            raise ValueError(f"marginal_epochs {self.marginal_epochs} does not go with {what}; leave one of them out")
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
            if encoder.deterministic:
                self._check_deterministic(encoder)
            self._check_objective(find("objective", self.objective).takes)
        return self

    def _check_deterministic(self, encoder: Part) -> None:
        found = f"objective {self.objective}"
        if self.objective == "beta-vae":
            found = f"beta {self.beta:g}" if self.beta != 1 else f"anneal_epochs {self.anneal_epochs}"
        if (self.objective, self.beta, self.anneal_epochs) != ("beta-vae", 1.0, 0):
            raise ValueError(
                f"{found}: encoder {encoder.name} is deterministic, so no gradient of R reaches it, and no weight of R "
                "moves it; leave objective at beta-vae, beta at 1 and anneal_epochs at 0, and vary "
                f"{', '.join(setting.name for setting in encoder.settings)}"
            )

    def _check_objective(self, taken: tuple[str, ...]) -> None:
        if taken and getattr(self, taken[0]) is None:
            raise ValueError(f"objective {self.objective} needs {taken[0]}; set {taken[0]}")
        for key, default in SETTINGS.items():
            if key not in taken and getattr(self, key) not in (None, default):
                raise ValueError(
                    f"{key} {getattr(self, key)} is not a setting of objective {self.objective}, which takes "
                    f"{', '.join(taken)}; leave it out, or set another objective"
                )

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
        """The run's name: a hash of this description, in which the dataset's checksum stands for its path.

        A key newer than the first release is hashed only where it differs from its default, so that older runs keep
        their names.
        """
        own = (registered(kind, getattr(self, kind)) for kind in (*PART_KINDS, "objective"))
        settings = settings_of(part for part in own if part)
        defaults = LATER_DEFAULTS | {key: setting.default for key, setting in settings.items()}
        description = {
            key: value
            for key, value in (vars(self) | self.settings).items()
            if key in FIRST_KEYS or key not in defaults or value != defaults[key]
        } | {"dataset": dataset_sha256}
        return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:16]


KEYS = frozenset(RunConfig.model_fields)
"""The settings that every run has."""

LATER_DEFAULTS = {key: field.default for key, field in RunConfig.model_fields.items() if key not in FIRST_KEYS}
"""The keys newer than the first release, with their defaults."""

SETTINGS = {key: RunConfig.model_fields[key].default for part in objectives().values() for key in part.takes}
"""The settings of rdbench's own objectives, with their defaults."""


def _parts(values: Mapping[str, Any]) -> list[Part]:
    """The encoder, decoder, marginal and objective of a description, or their defaults.

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


def _sources(parts: Iterable[Part]) -> tuple[str, ...]:
    """The kind, name and source digest of each plug-in part."""
    return tuple(f"{part.kind} {part.name} {part.origin.digest}" for part in parts if part.origin)


def _unknown_key(key: str, parts: Iterable[Part]) -> str:
    own = all_settings()
    if key in own:
        takers = [f"{part.kind} {part.name}" for part in registered_parts() if key in settings_of([part])]
        chosen = ", ".join(f"{part.kind} {part.name}" for part in parts)
        return f"{key} is a setting of {', '.join(takers)}; found {chosen}; leave it out, or choose another part"
    return str(unknown("key", key, [*GRID_KEYS, *own]))


def check_sources(run: RunConfig) -> None:
    """Check that each plug-in part of a run is here, with the same source.

    Raises:
        UserError: a part is not installed or not loaded, or its source has changed.
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
                "bring back that source, or run again with this one"
            )


def own_settings(config: str) -> list[str]:
    """The keys in a JSON description that are settings of single parts."""
    return [key for key in json.loads(config) if key not in KEYS]


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
"""The settings that have a column. The columns ``train_images`` and ``precision`` hold what the run used instead."""

GRID_KEYS = ("family", *(key for key in RunConfig.model_fields if key not in (*PART_KINDS, "sources")))
