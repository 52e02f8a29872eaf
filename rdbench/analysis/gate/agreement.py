"""Rules that columns must agree where one follows from others."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from rdbench.analysis.frame import SAME_IMAGES
from rdbench.analysis.gate.bounds import MEASURED_TWICE, SPLITS
from rdbench.analysis.gate.judging import Judgement
from rdbench.analysis.gate.measured import ROUNDING, Measured


def complete(m: Measured) -> Iterator[Judgement]:
    """Numbers that are measured together are all there, each with its standard error."""
    for name in m.with_error():
        yield m.together(name, f"{name}_se")
    yield m.together("rate", "test_images", "train_rate", "train_distortion")
    seen = m["examples.count"].notna()
    yield m.together("examples.expected", "examples.count")
    for name in ("rate", "distortion", *(f"iwae_{k}" for k in m.bounds)):
        yield m.together(name, f"examples.{name}", where=seen)
    truth = m.known("elbo_gap")
    for name in ("entropy", *(f"iwae_{k}_gap" for k in m.bounds)):
        asked = m.asked(int(name.split("_")[1])) if name != "entropy" else True
        yield m.together("elbo_gap", name, where=truth & asked)
    diagonal = (m.raw("encoder") == "gaussian") & (m.raw("marginal") == "gaussian")
    for split in MEASURED_TWICE:
        names = [f"{split}{name}" for name in ("mutual_information", "marginal_kl")]
        yield m.together(*names)
        yield m.together(names[0], f"{split}active_units", where=m.sampled)
        yield m.together(names[0], f"{split}rate_by_dimension", where=diagonal)
    yield m.together(*(f"generative_{letter}" for letter in "egsu"))


def parts_sum(m: Measured) -> Iterator[Judgement]:
    """−ELBO = R + D, and R is the sum of the rates by dimension where these are known."""
    for split in SPLITS:
        rate, distortion = m[f"{split}rate"], m[f"{split}distortion"]
        yield m.same(f"{split}elbo", -m[f"{split}elbo"], rate + distortion)
    for name in ("rate", "distortion"):
        yield m.same(f"train_{name} of what is summed exactly", m[f"train_{name}"], m[name].where(~m.sampled))
    for split in MEASURED_TWICE:
        rates = m.raw(f"{split}rate_by_dimension").map(_total)
        yield m.same(f"{split}rate_by_dimension", rates, m[f"{split}rate"], scale=m[f"{split}rate"].abs())


def _total(rates: object) -> float:
    """The sum of a list of rates, none of them below 0; NaN where there is no list."""
    if not isinstance(rates, np.ndarray):
        return math.nan
    return float(rates.sum()) if (rates >= -ROUNDING).all() else math.inf


def gaps(m: Measured) -> Iterator[Judgement]:
    """Every gap equals the difference of its two bounds, by all columns that tell it."""
    elbo, gap, encoder = m["elbo"], m["elbo_gap"], m["encoder_gap"]
    largest = m.at_largest("iwae_{}")
    yield m.same("encoder_gap = iwae_K − elbo", encoder, largest - elbo, scale=elbo.abs())
    yield m.same("elbo_gap = encoder_gap + iwae_K_gap", gap, encoder + m.at_largest("iwae_{}_gap"), scale=elbo.abs())
    yield m.same("elbo_gap = encoder_gap + likelihood_gap", gap, encoder + m["likelihood_gap"])
    for k in m.bounds:
        bound = m[f"iwae_{k}"]
        yield m.same(f"iwae_{k} + iwae_{k}_gap", bound + m[f"iwae_{k}_gap"], elbo + gap, scale=elbo.abs())
    yield m.same("elbo_gap = R + D − H", gap, -elbo - m["entropy"], m["elbo_gap_se"] + m["elbo_se"])
    truth = elbo + gap
    same = truth.groupby([m.raw(name) for name in SAME_IMAGES], dropna=False).transform("median")
    yield m.same("elbo + elbo_gap, of all runs on these images", truth, same, scale=elbo.abs())


def errors(m: Measured) -> Iterator[Judgement]:
    """The standard error of a sum is at most the sum of standard errors; that of a value ≥ 0 is at most its mean."""
    triples = [
        ("rate", "distortion", "elbo"),
        ("valid_rate", "valid_distortion", "valid_elbo"),
        ("train_rate", "train_distortion", "train_elbo"),
        ("rate", "mutual_information", "marginal_kl"),
        ("train_rate", "train_mutual_information", "train_marginal_kl"),
    ]
    triples += [("elbo_gap", "encoder_gap", "likelihood_gap")]
    for names in triples:
        yield from _triangle(m, "errors of " + ", ".join(names), *(m[f"{name}_se"] for name in names))
    encoder, elbo, gap = m["encoder_gap_se"], m["elbo_se"], m["elbo_gap_se"]
    yield from _triangle(m, "errors of encoder_gap, iwae_K, elbo", encoder, m.at_largest("iwae_{}_se"), elbo)
    yield from _triangle(m, "errors of encoder_gap, iwae_K_gap, elbo_gap", encoder, m.at_largest("iwae_{}_gap_se"), gap)
    truth = (elbo + gap).groupby([m.raw(name) for name in SAME_IMAGES], dropna=False).transform("min")
    yield m.at_least("error of elbo_gap beside those of all runs on these images", elbo + truth, gap)
    for k in m.bounds:
        difference = m[f"examples.iwae_{k}_less_elbo_se"].fillna(m[f"iwae_{k}_se"] + elbo)
        apart = (m[f"iwae_{k}_gap_se"] - gap).abs()
        yield m.at_least(f"error of iwae_{k}_gap beside that of elbo_gap", difference, apart, scale=m["elbo"].abs())
    for name in m.with_error():
        error = m[f"{name}_se"]
        yield m.true(f"{name} is exact", error == 0, ~m.sampled & error.notna())
    for split in SPLITS:
        yield m.at_least(f"error of {split}distortion", m[f"{split}distortion"], m[f"{split}distortion_se"])


def _triangle(m: Measured, what: str, *errors: pd.Series) -> Iterator[Judgement]:
    """None of three standard errors is larger than the other two together."""
    total = errors[0] + errors[1] + errors[2]
    for error in errors:
        yield m.at_least(what, total - error, error, scale=total)


def examples(m: Measured) -> Iterator[Judgement]:
    """The means and errors over the per-image table are those of the run's row; the table has a row for each image."""
    count = m["examples.count"]
    yield m.same("as many examples as test_images", m["test_images"], count)
    yield m.true("examples numbered from 0, each once", m["examples.indices"] == 1, count.notna())
    yield m.same("the sum of examples.probability", m["examples.probability"], 1.0)
    root = count**0.5
    for name in ("rate", "distortion", "elbo", *(f"iwae_{k}" for k in m.bounds)):
        error = m[f"examples.{name}_se"]
        scale = (m["rate"].abs() + m["distortion"].abs()) + root * (m["examples.rate_se"] + m["examples.distortion_se"])
        yield m.same(name, m[name], m[f"examples.{name}"], scale=scale)
        yield m.same(f"{name}_se", m[f"{name}_se"], error, scale=scale)
    yield m.same("encoder_gap", m["encoder_gap"], m.at_largest("examples.iwae_{}_less_elbo"), scale=scale)
    yield m.same("encoder_gap_se", m["encoder_gap_se"], m.at_largest("examples.iwae_{}_less_elbo_se"), scale=scale)
