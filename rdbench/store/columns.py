"""The columns of a store's tables, a line each: name, type, unit, meaning.

The types that tables are written in, the check of what is read, and the page COLUMNS.md follow from these lines. The
keys of a run, and the settings of parts, are columns of ``runs`` too, in the types that they have there.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import pyarrow as pa

from rdbench.config.parts import Part, all_settings
from rdbench.config.run_config import RunConfig
from rdbench.errors import UserError

Table = Literal["runs", "history", "examples"]
TABLES: tuple[Table, ...] = ("runs", "history", "examples")

TEXT, WHOLE, FLAG, NUMBER, SINGLE = pa.string(), pa.int64(), pa.bool_(), pa.float64(), pa.float32()
LIST = pa.list_(pa.float64())
TYPES: dict[type, pa.DataType] = {str: TEXT, int: WHOLE, bool: FLAG, float: NUMBER}
"""The type of the column of a setting, by the setting's own."""

OTHERS: dict[Table, pa.DataType] = {"runs": NUMBER, "history": NUMBER, "examples": SINGLE}
"""The type in which a table has most of its columns."""


@dataclass(frozen=True)
class Declared:
    """A column, or one for each whole number k where the name has ``{k}``.

    ``error`` says that its standard error is in a column of the same name and ``_se``, ``splits`` that it may be of
    other splits than the test split, their name before its own.
    """

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    error: bool = False
    splits: tuple[str, ...] = ()

    @property
    def names(self) -> Iterator[str]:
        """The name, those of its other splits, and those of their errors."""
        for split in ("", *self.splits):
            for end in ("", "_se") if self.error else ("",):
                yield f"{split and split + '_'}{self.name}{end}"


ALL = ("train", "valid")
RUN_ID = Declared("run_id", TEXT, "the run's name: a hash of its description and of its data")
CREATED_AT = Declared("created_at", TEXT, "when the row was written, in UTC")
COLUMNS: dict[Table, tuple[Declared, ...]] = {
    "runs": (
        RUN_ID,
        Declared("sweep", TEXT, "the sweep that it was first done in"),
        Declared("status", TEXT, "ok, untrained, diverged or failed"),
        Declared("error", TEXT, "why it did not end well"),
        CREATED_AT,
        Declared("replaces", TEXT, "the date of the answer that a failed row stands for"),
        Declared("family", TEXT, "encoder, decoder and marginal, in words"),
        Declared("config", TEXT, "the whole description, in JSON"),
        Declared("dataset_sha256", TEXT, "the checksum of the data"),
        Declared("command", TEXT, "the command that did it"),
        Declared("evaluated_with", TEXT, "the command that measured it again"),
        Declared("device", TEXT, "where it was done"),
        Declared("threads", WHOLE, "the threads of the CPU"),
        Declared("rdbench_version", TEXT, "the version that did it"),
        Declared("torch_version", TEXT, "the version of PyTorch"),
        Declared("git_commit", TEXT, "the commit of a checkout"),
        Declared("valid_images", WHOLE, "validation images measured", "images"),
        Declared("test_images", WHOLE, "test images measured", "images"),
        Declared("image_side", WHOLE, "the side of an image, where it is not 28", "pixels"),
        Declared("classes", WHOLE, "the classes of its labels"),
        Declared("parameters", WHOLE, "the parameters of the model"),
        Declared("entropy", NUMBER, "H of the data or of its labels, where it is known", "nats"),
        Declared("independent_pixels", NUMBER, "−log p of the test images with each pixel alone", "nats"),
        Declared("rate", NUMBER, "R = E log e(z|x) − log m(z)", "nats", error=True, splits=ALL),
        Declared("distortion", NUMBER, "D = −E log d(x|z)", "nats", error=True, splits=ALL),
        Declared("elbo", NUMBER, "−(R + D)", "nats", error=True, splits=ALL),
        Declared("iwae_{k}", NUMBER, "E log 1/k Σ d·m/e", "nats", error=True, splits=ALL),
        Declared("mutual_information", NUMBER, "I(X;Z), from below", "nats", error=True, splits=("train",)),
        Declared("marginal_kl", NUMBER, "R less I(X;Z)", "nats", error=True, splits=("train",)),
        Declared("rate_by_dimension", LIST, "the rate of each dimension of z", "nats", splits=("train",)),
        Declared("active_units", WHOLE, "dimensions whose mean given x varies by more than 0.01", splits=("train",)),
        Declared("encoder_gap", NUMBER, "IWAE-k − ELBO at the largest k", "nats", error=True),
        Declared("elbo_gap", NUMBER, "log p*(x) less the ELBO", "nats", error=True),
        Declared("likelihood_gap", NUMBER, "KL of the data and what the model draws", "nats", error=True),
        Declared("iwae_{k}_gap", NUMBER, "log p*(x) less IWAE-k", "nats", error=True),
        Declared("generative_e", NUMBER, "E = H(m) − S, at most I(X;Z) of what the model draws", "nats", error=True),
        Declared("generative_g", NUMBER, "G = U − H(x|z), at least that I(X;Z)", "nats", error=True),
        Declared("generative_s", NUMBER, "S = −E log e(z|x) of what the model draws", "nats", error=True),
        Declared("generative_u", NUMBER, "U = −E log q(x) of what the model draws", "nats", error=True),
        Declared("class_information", NUMBER, "what z of the toy carries of the hidden class", "nats", error=True),
        Declared("label_information", NUMBER, "H(Y) − D, at most I(Z;Y)", "nats", error=True),
        Declared("label_error", NUMBER, "the part of labels that the mean of d(y|z) gets wrong", error=True),
        Declared("predictive_{k}", NUMBER, "log 1/k Σ d(y|z)", "nats", error=True),
        Declared("probe_information", NUMBER, "H(Y) less the cross-entropy of a linear probe on z", "nats", error=True),
        Declared("probe_error", NUMBER, "the part of labels that the probe gets wrong", error=True),
        Declared("probe_entropy", NUMBER, "H(Y) of the labels of the probe", "nats"),
        Declared("ais_{k}", NUMBER, "log p(x) from below, by annealing over k temperatures", "nats", error=True),
        Declared("ais_{k}_upper", NUMBER, "log p(x) from above, on images that the model draws", "nats", error=True),
        Declared("ais_{k}_gap", NUMBER, "that less the bound from below on the same images", "nats", error=True),
        Declared("ais_{k}_less_iwae", NUMBER, "ais_k less IWAE-5000 on the same images", "nats", error=True),
        Declared("ais_images", WHOLE, "the images of annealing", "images"),
        Declared("ais_chains", WHOLE, "the chains of annealing for each image"),
        Declared("ais_start", TEXT, "where the path of annealing starts: marginal or encoder"),
        Declared("ais_accepted", NUMBER, "the part of transitions that was accepted"),
        Declared("ais_rates", LIST, "R of the model's own curve, at each temperature", "nats"),
        Declared("ais_distortions", LIST, "D of the model's own curve, at each temperature", "nats"),
        Declared("relaxation_gap", NUMBER, "D of the z that training sees less D of the true one", "nats"),
        Declared("penalty", NUMBER, "the codebook's and the commitment loss, in neither R nor D"),
        Declared("codes_used", WHOLE, "codes that the test split has"),
        Declared("code_perplexity", NUMBER, "e^H of the frequencies of codes"),
        Declared("code_entropy", NUMBER, "R if each place drew its code by these frequencies", "nats"),
        Declared("softened_iwae_{k}", NUMBER, "IWAE-k of codes that are drawn near the nearest", "nats", error=True),
        Declared("softened_iwae_{k}_tau", NUMBER, "its τ: codes are drawn by exp(−‖zₑ − e‖²/τ)"),
        Declared("uniform_rate", NUMBER, "R if each place drew its code uniformly, n log K", "nats"),
        Declared("effective_beta", NUMBER, "the mean of β over the steps of the last epoch"),
        Declared("effective_beta_sd", NUMBER, "the standard deviation of β over these steps"),
        Declared("skipped_steps", WHOLE, "steps whose loss or gradients were not finite"),
        Declared("jumps", WHOLE, "how often the loss jumped above that of fair coins"),
        Declared("micro_batch", WHOLE, "images of a part of a batch, where memory was too small", "images"),
        Declared("train_seconds", NUMBER, "how long training took", "seconds"),
        Declared("eval_seconds", NUMBER, "how long evaluation took", "seconds"),
        Declared("images_per_second", NUMBER, "training images a second"),
        Declared("peak_memory_bytes", WHOLE, "the most memory held", "bytes"),
    ),
    "history": (
        RUN_ID,
        CREATED_AT,
        Declared("epoch", WHOLE, "the epoch, from 1"),
        Declared("step", WHOLE, "the steps at its end"),
        Declared("beta", NUMBER, "β of its last step"),
        Declared("beta_mean", NUMBER, "the mean of β over its steps"),
        Declared("beta_sd", NUMBER, "the standard deviation of β over its steps"),
        Declared("learning_rate", NUMBER, "the learning rate of its last step"),
        Declared("train_rate", NUMBER, "R of its batches", "nats"),
        Declared("train_distortion", NUMBER, "D of its batches", "nats"),
        Declared("valid_rate", NUMBER, "R of the validation images", "nats"),
        Declared("valid_distortion", NUMBER, "D of the validation images", "nats"),
        Declared("temperature", NUMBER, "the temperature of a relaxed z"),
        Declared("relaxation_gap", NUMBER, "D of the z that training sees less D of the true one", "nats"),
        Declared("penalty", NUMBER, "the codebook's and the commitment loss, in neither R nor D"),
        Declared("jumps", WHOLE, "jumps of the loss in this epoch"),
        Declared("seconds", NUMBER, "how long training had taken by its end", "seconds"),
    ),
    "examples": (
        RUN_ID,
        CREATED_AT,
        Declared("index", WHOLE, "which image or value, in the order of the test split"),
        Declared("rate", SINGLE, "R of this image", "nats"),
        Declared("distortion", SINGLE, "D of this image", "nats"),
        Declared("iwae_{k}", SINGLE, "IWAE-k of this image", "nats"),
        Declared("probability", SINGLE, "the probability of this value of the toy"),
    ),
}  # fmt: skip


def known_type(table: Table, name: str) -> pa.DataType | None:
    """The type of a column, None if this version does not know it."""
    if (declared := _declared_type(table, name)) is None and table == "runs" and name in (settings := all_settings()):
        return TYPES[type(settings[name].default)]
    return declared


def _declared_type(table: Table, name: str) -> pa.DataType | None:
    declared = _declared(table)
    return declared.get(name, declared.get(re.sub(r"_\d+(?=_|$)", "_{k}", name, count=1)))


def check_settings(parts: Iterable[Part]) -> None:
    """Check that no setting of a plug-in has the name of a column that rdbench fills.

    Raises:
        UserError: one has.
    """
    for part in parts:
        for setting in part.settings:
            if part.origin and _declared_type("runs", setting.name) is not None:
                where = f"{part.kind} {part.name!r} of {part.origin.where}"
                raise UserError(f"{where}, setting {setting.name!r}: this is a column of runs; choose another name")


def column_type(table: Table, name: str) -> pa.DataType:
    """The type that a column is written in."""
    return known_type(table, name) or OTHERS[table]


@cache
def _declared(table: Table) -> dict[str, pa.DataType]:
    """The types of a table's columns by name; of ``runs`` those of the keys of a run too."""
    keys = RunConfig.model_fields if table == "runs" else {}
    types = {key: _key_type(field.annotation) for key, field in keys.items() if key not in NO_COLUMNS}
    return types | {name: column.type for column in COLUMNS[table] for name in column.names}


NO_COLUMNS = ("iwae", "sources")
"""The keys of a run that are lists: they stand in ``config``."""


def _key_type(annotation: Any) -> pa.DataType:
    """The type of the column of a key, by its annotation.

    >>> _key_type(int | None), _key_type(Literal["threshold", "bernoulli"]), _key_type(bool)
    (DataType(int64), DataType(string), DataType(bool))
    """
    (kind,) = set(_plain_types(annotation)) - {NoneType}
    return TYPES[kind]


def _plain_types(annotation: Any) -> Iterator[type]:
    """The types that a value may have, of a union, of an annotated type, of the values of a literal."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        yield from map(type, arguments)
    elif origin is Annotated:
        yield from _plain_types(arguments[0])
    elif arguments:
        for argument in arguments:
            yield from _plain_types(argument)
    else:
        yield annotation
