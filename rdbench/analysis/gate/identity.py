"""Rules that tie a row to its description and to its data."""

from collections.abc import Iterator

from rdbench.analysis.gate.judging import Judgement
from rdbench.analysis.gate.measured import Measured
from rdbench.config.family import PART_KINDS
from rdbench.config.parts import registered
from rdbench.config.run_config import RunConfig, check_sources
from rdbench.data import DATASETS, checksum
from rdbench.errors import UserError


def named(m: Measured) -> Iterator[Judgement]:
    """A run's id is the hash of its description and of its data's checksum, so no description is there twice."""
    rows = zip(m.descriptions, m.raw("dataset_sha256"), strict=True)
    hashes = m.series([run.run_id(sha256) for run, sha256 in rows])
    here = m.series([_parts_are_here(run) for run in m.descriptions]).astype(bool)
    yield m.true("run_id", m.raw("run_id") == hashes, here)


def _parts_are_here(run: RunConfig) -> bool:
    """Whether all its parts are installed as they were then: their settings' defaults decide the hash."""
    try:
        check_sources(run)
    except UserError:
        return False
    return all(registered(kind, getattr(run, kind)) for kind in (*PART_KINDS, "objective"))


def asked(m: Measured) -> Iterator[Judgement]:
    """A run did what it was asked for: no more images than these, at that precision."""
    for name, setting in {
        "train_images": "train_images", "valid_images": "evaluation_images", "test_images": "evaluation_images",
    }.items():  # fmt: skip
        most = m.series([getattr(run, setting) for run in m.descriptions]).astype(float)
        yield m.at_least(name, most, m[name].where(m.sampled))
        yield m.at_least(f"{name} ≥ 1", m[name], 1.0)
    precision = m.raw("precision")
    wanted = m.series([run.precision for run in m.descriptions])
    among = precision.isin(["float32", "bfloat16"])
    yield m.true("precision", among & ((precision == wanted) | (wanted == "auto")), precision.notna())


def entropy(m: Measured) -> Iterator[Judgement]:
    """H is above 0, and that of its dataset where we know it."""
    found = m["entropy"]
    yield m.true("entropy > 0", found > 0, found.notna())
    known = {checksum(name): spec.entropy() for name, spec in DATASETS.items() if spec.entropy}
    yield m.same("entropy", found, m.raw("dataset_sha256").map(known).astype(float))
    sources = m.raw("dataset_sha256").isin(known)
    yield m.together("entropy", "rate", where=sources)
