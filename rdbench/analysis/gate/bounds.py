"""Rules from theory: inequalities between measures, and identities of information."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from rdbench.analysis.gate.judging import Judgement
from rdbench.analysis.gate.measured import Measured

SPLITS = ("", "valid_", "train_")
"""The prefixes of the columns of each split; the test split has none."""

HELD_OUT = ("", "valid_")
MEASURED_TWICE = ("", "train_")
"""The prefixes of the splits whose information is measured."""

KEEPS_VOLUME = ("gaussian", "maf")
"""Marginals with the entropy of a standard normal, since a mean-only flow preserves volume."""

CODES = ("codes_used", "code_perplexity", "code_entropy", "uniform_rate")
WHOLE = 1e-6
"""How far a whole number may be off that is a ratio of two others."""

WIDE = 5.0
"""No sample of two draws or more has a standard deviation this many times the true one."""


def finite(m: Measured) -> Iterator[Judgement]:
    """Every measure that a run was asked for is finite."""
    for name in ("rate", "distortion", "elbo"):
        yield m.true(name, m.known(name))
    for k in m.bounds:
        yield m.true(f"iwae_{k}", m.known(f"iwae_{k}"), m.asked(k))


def positive(m: Measured) -> Iterator[Judgement]:
    """R ≥ 0, and for discrete data D ≥ 0 and IWAE-k ≤ 0."""
    for split in SPLITS:
        if split != "train_":  # the training split is measured once, without an error, unless `evaluate` asks for it
            yield m.at_least(f"{split}rate", m[f"{split}rate"], 0.0, m[f"{split}rate_se"])
        yield m.at_least(f"{split}distortion", m[f"{split}distortion"], 0.0)
        for k in m.bounds:
            yield m.at_least(f"{split}iwae_{k}", -m[f"{split}iwae_{k}"], 0.0, m[f"{split}iwae_{k}_se"])
    for k in m.softened:
        yield m.at_least(f"softened_iwae_{k}", -m[f"softened_iwae_{k}"], 0.0, m[f"softened_iwae_{k}_se"])
    yield m.at_least("examples.distortion", m["examples.least_distortion"], 0.0)
    known = m["train_rate_se"].notna()
    yield m.at_least("train_rate", m["train_rate"].where(known), 0.0, m["train_rate_se"])


def ordered(m: Measured) -> Iterator[Judgement]:
    """ELBO = E IWAE-1 ≤ … ≤ IWAE-k: exactly if both are means over the same draws, else within the paired error."""
    yield m.at_least("encoder_gap", m["encoder_gap"], 0.0, m["encoder_gap_se"])
    for split in SPLITS:
        elbo = m[f"{split}elbo"]
        for k in m.bounds:
            bound, error = m[f"{split}iwae_{k}"], _paired(m, split, f"iwae_{k}", "elbo")
            yield m.at_least(f"{split}iwae_{k} ≥ elbo", bound, elbo, error)
            if k == 1:
                yield m.at_least(f"{split}iwae_1 ≤ elbo", elbo, bound, error)
        for k, larger in combinations(m.bounds, 2):
            error = _paired(m, split, f"iwae_{larger}", f"iwae_{k}")
            if not split:
                error = error.where(~m.same_draws(k, larger), 0.0)
            yield m.at_least(
                f"{split}iwae_{larger} ≥ iwae_{k}", m[f"{split}iwae_{larger}"], m[f"{split}iwae_{k}"], error
            )


def _paired(m: Measured, split: str, name: str, other: str) -> pd.Series:
    """The standard error of a paired difference, or its upper bound if the per-image values are unknown."""
    largest = m[f"{split}{name}_se"] + m[f"{split}{other}_se"]
    return largest if split else m[f"examples.{name}_less_{other}_se"].fillna(largest)


def above_entropy(m: Measured) -> Iterator[Judgement]:
    """R + D ≥ H and −IWAE-k ≥ H: both by the means and by the paired gaps to log p*."""
    for name in ("elbo", *(f"iwae_{k}" for k in m.bounds)):
        for split in HELD_OUT:
            yield m.at_least(f"{split}{name}", -m[f"{split}{name}"], m["entropy"], m[f"{split}{name}_se"])
        yield m.at_least(f"{name}_gap", m[f"{name}_gap"], 0.0, m[f"{name}_gap_se"])
    for k in m.softened:
        name = f"softened_iwae_{k}"
        yield m.at_least(name, -m[name], m["entropy"], m[f"{name}_se"])
    yield m.at_least("likelihood_gap", m["likelihood_gap"], 0.0, m["likelihood_gap_se"])


def information(m: Measured) -> Iterator[Judgement]:
    """0 ≤ I(X;Z) ≤ R and ≤ log N, I(X;Z) + KL = R, and z has at least as many dimensions as active units."""
    ceiling = np.log(m["test_images"])
    for split in MEASURED_TWICE:
        rate, nats, rest = (m[f"{split}{name}"] for name in ("rate", "mutual_information", "marginal_kl"))
        yield m.same(f"{split}mutual_information + marginal_kl = rate", nats + rest, rate, scale=rate.abs())
        yield m.at_least(f"{split}mutual_information ≥ 0", nats, 0.0, m[f"{split}mutual_information_se"])
        yield m.at_least(f"{split}mutual_information ≤ log N", ceiling, nats, scale=rate.abs() + 10 * m["latent_dim"])
        yield m.at_least(f"{split}marginal_kl ≥ 0", rest, 0.0, m[f"{split}marginal_kl_se"])
        active = m[f"{split}active_units"]
        most = m["latent_dim"].where(~m.known("uniform_rate"), np.inf)  # a grid of codes has any number of places
        yield m.true(f"{split}active_units", active.between(0, most), active.notna())
    kept = m["class_information"]
    yield m.at_least("class_information ≥ 0", kept, 0.0, m["class_information_se"])
    yield m.at_least("class_information ≤ mutual_information", m["mutual_information"], kept, m["class_information_se"])


def codes(m: Measured) -> Iterator[Judgement]:
    """I(X;Z) and what is used of K codes agree: 1 ≤ perplexity ≤ used, n log perplexity ≤ n log K, and I ≤ n log K."""
    used, perplexity, entropy, most = (m[name] for name in CODES)
    yield m.together(*CODES)
    yield m.at_least("code_perplexity ≥ 1", perplexity, 1.0)
    yield m.at_least("codes_used ≥ code_perplexity", used, perplexity, scale=perplexity)
    yield m.at_least("code_entropy ≤ uniform_rate", most, entropy, scale=most)
    places = entropy / np.log(perplexity.where(perplexity > 1))
    yield m.true(
        "code_entropy is so many places' log perplexity", (places - places.round()).abs() < WHOLE, places.notna()
    )
    yield m.at_least("uniform_rate ≥ places · log codes_used", most, places * np.log(used.clip(lower=1)), scale=most)
    yield m.at_least("active_units ≤ places", places.round(), m["active_units"])
    yield m.at_least("mutual_information ≤ uniform_rate", most, m["mutual_information"], scale=most)
    for k in m.softened:
        yield m.together(f"softened_iwae_{k}", f"softened_iwae_{k}_tau")
        yield m.true(f"softened_iwae_{k}_tau", m[f"softened_iwae_{k}_tau"] > 0, m.known(f"softened_iwae_{k}"))
    uniform = m.raw("marginal") == "uniform"
    yield m.same("rate = uniform_rate", m["rate"].where(uniform), most, scale=most)


def labels(m: Measured) -> Iterator[Judgement]:
    """H(Y) − D ≤ I(Z;Y), so ≤ H(Y) and ≤ R; predictive_k rises with k from −D; error rates lie between 0 and 1."""
    found = m["label_information"]
    yield m.true("label_information", found.notna(), m.explains_labels)
    yield m.same("label_information = H(Y) − D", found, m["entropy"] - m["distortion"])
    yield m.same("the error of label_information", m["label_information_se"], m["distortion_se"])
    for name in ("label", "probe"):
        nats = m[f"{name}_information"]
        error = m[f"{name}_information_se"]
        yield m.at_least(f"{name}_information ≤ rate", m["rate"], nats, error + m["rate_se"])
        wrong = m[f"{name}_error"]
        yield m.together(f"{name}_information", f"{name}_error", *(["probe_entropy"] if name == "probe" else []))
        yield m.true(f"{name}_error", wrong.between(0, 1), wrong.notna())
    for k in m.predictive:
        nats, error = m[f"predictive_{k}"], m[f"predictive_{k}_se"] + m["distortion_se"]
        yield m.at_least(f"predictive_{k} ≤ 0", -nats, 0.0)
        yield m.at_least(f"predictive_{k} ≥ −D", nats, -m["distortion"], 0.0 if k == 1 else error)


def annealed(m: Measured) -> Iterator[Judgement]:
    """On images that the model draws, the lower bound of log p(x) is at most the upper one; log p of bits is ≤ 0."""
    for count in m.temperatures:
        name, images = f"ais_{count}", m["ais_images"]
        yield m.at_least(f"{name}_gap", m[f"{name}_gap"], 0.0, m[f"{name}_gap_se"], over=images)
        for bound in (name, f"{name}_upper"):
            yield m.at_least(f"{bound} ≤ 0", -m[bound], 0.0, m[f"{bound}_se"], over=images)
        yield m.together(name, f"{name}_upper", f"{name}_gap", f"{name}_less_iwae", "ais_images", "ais_chains")


def generative(m: Measured) -> Iterator[Judgement]:
    """E ≤ G ≤ U = −E log q(x), and E + S = H(m) where m has the volume of a standard normal."""
    e, g, s, u = (m[f"generative_{letter}"] for letter in "egsu")
    e_error, g_error, s_error, u_error = (m[f"generative_{letter}_se"] for letter in "egsu")
    images = m["generated_images"]
    yield m.at_least("generative_e ≤ generative_g", g, e, e_error + g_error, over=images)
    yield m.at_least("generative_g ≤ generative_u", u, g, scale=u.abs())
    yield m.at_least("the errors of generative_g and generative_u", u - g, (u_error - g_error).abs(), scale=u.abs())
    yield m.at_least("the error of generative_u", u, u_error)
    size = m["latent_dim"].where(m.raw("marginal").isin(KEEPS_VOLUME))
    entropy = size / 2 * np.log(2 * np.pi * np.e)
    spread = (size / 2 / images) ** 0.5
    yield m.same("generative_e + generative_s", e + s, entropy, spread, over=images)
    yield m.at_least("the errors of generative_e and generative_s", WIDE * spread, (e_error - s_error).abs())
