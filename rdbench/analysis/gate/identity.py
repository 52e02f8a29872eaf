"""Rules that tie a row to its description and to its data."""

from collections.abc import Iterator

import numpy as np

from rdbench.analysis.frame import SAME_IMAGES
from rdbench.analysis.gate.judging import Judgement
from rdbench.analysis.gate.measured import Measured
from rdbench.config.family import PART_KINDS, dataset_kind
from rdbench.config.parts import registered
from rdbench.config.run_config import RunConfig
from rdbench.config.sources import check_sources
from rdbench.data import DATASETS, NamedDataset, checksum
from rdbench.data.dataset import SIDE
from rdbench.errors import UserError

IMAGES = {"train_images": "train_images", "valid_images": "evaluation_images", "test_images": "evaluation_images"}
"""The columns with numbers of images, and the settings that asked for them."""


def named(m: Measured) -> Iterator[Judgement]:
    """A run's id is the hash of its description and of its data's checksum."""
    rows = zip(m.descriptions, m.raw("dataset_sha256").tolist(), strict=True)
    hashes = m.series([run.run_id(sha256) for run, sha256 in rows])
    here = m.series([_parts_are_here(run) for run in m.descriptions]).astype(bool)
    yield m.true("run_id", m.raw("run_id") == hashes, here)


def _parts_are_here(run: RunConfig) -> bool:
    """Whether all parts of a run are installed, unchanged: the defaults of their settings enter the hash."""
    try:
        check_sources(run.sources)
    except UserError:
        return False
    return all(registered(kind, getattr(run, kind)) for kind in (*PART_KINDS, "objective"))


def asked(m: Measured) -> Iterator[Judgement]:
    """A run used the number of images and the precision that its description asks for."""
    known = _datasets(m)
    for split, (name, setting) in enumerate(IMAGES.items()):
        size = m.raw("dataset_sha256").map({sha256: spec.sizes[split] for sha256, spec in known.items()}).astype(float)
        asked_for = m.series([getattr(run, setting) for run in m.descriptions]).astype(float).where(m.sampled)
        expected = asked_for.fillna(np.inf).clip(upper=size).where(size.notna())
        yield m.same(f"{name} of a known dataset", m[name], expected)
        yield m.at_least(f"{name} asked for", asked_for, m[name])
        yield m.at_least(f"{name} ≥ 1", m[name], 1.0)
    side = m["image_side"].where(m.raw("dataset_sha256").isin(known))
    yield m.same("image_side of a known dataset", side, SIDE)
    precision = m.raw("precision")
    wanted = m.series([run.precision for run in m.descriptions])
    among = precision.isin(["float32", "bfloat16"])
    yield m.true("precision", among & ((precision == wanted) | (wanted == "auto")), precision.notna())


def _datasets(m: Measured) -> dict[str, NamedDataset]:
    """The datasets whose bits are known beforehand, by their checksum; tables only where a run is of one."""
    tables = [name for name in DATASETS if dataset_kind(name) == "table" and not m.sampled.all()]
    return {checksum(name): spec for name, spec in DATASETS.items() if spec.sha256 or name in tables}


def data(m: Measured) -> Iterator[Judgement]:
    """Facts of the data are equal in all runs on it, and true for named datasets; H > 0."""
    found = m["entropy"]
    entropies = {sha256: spec.entropy() for sha256, spec in _datasets(m).items() if spec.entropy}
    yield m.true("entropy > 0", found > 0, found.notna())
    of_images = found.where(~m.explains_labels)
    yield m.same("entropy", of_images, m.raw("dataset_sha256").map(entropies).astype(float))
    yield m.together("entropy", "rate", where=m.raw("dataset_sha256").isin(entropies) | m.explains_labels)
    images = [m.raw(name) for name in SAME_IMAGES]
    for name in ("entropy", "independent_pixels"):
        same = m[name].groupby(images, dropna=False).transform("median")
        yield m.same(f"{name} of all runs on these images", m[name], same)
