"""How often the gate gives false alarms or misses faults, on simulated stores: sound, or with a fault of known size.

Each store is judged by the package's rules ("now") and by its former rules: 3 standard errors for a bound, a
percentile bootstrap corrected for the number of intervals for the best run, 1.96 standard errors of two separate
means for a baseline. Prints a Markdown table; `false` is the share of sound stores in which a fault is found, `missed`
the share of faulty stores in which it is not.
"""

import argparse
import math
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rdbench.analysis.gate.judging import allowed
from rdbench.analysis.report.baseline import MEASURES, compare
from rdbench.analysis.report.paired import beside_the_best

FAMILIES = 12
BOUNDS = 10
"""Comparisons by chance that a run is judged by."""

PAIRED_SPREAD, SPREAD, TRAINING = 6.0, 25.0, 1.35
"""Nats: standard deviations of a difference on one image, of an image's −ELBO, and of a training. Two trainings then
differ by 1.3 nats half of the time, and by 2.2 a quarter."""

Random = np.random.Generator
Draw = Callable[[Random, tuple[int, ...]], NDArray[np.float64]]
NOISES: dict[str, Draw] = {
    "normal": lambda generator, shape: generator.normal(size=shape),
    "skewed": lambda generator, shape: generator.exponential(size=shape) - 1,
}
"""Noise of mean 0 and variance 1; the long tail of the skewed one is where Student's t is least true."""


def bounds(generator: Random, images: int, noise: Draw, fault: float) -> tuple[bool, bool]:
    """Whether a store breaks, before and now, whose bounds hold with nothing to spare, one missed by ``fault``."""
    values = noise(generator, (FAMILIES * BOUNDS, images))
    values[0] -= fault
    mean, error = values.mean(axis=1), values.std(axis=1, ddof=1) / math.sqrt(images)
    now = mean < -allowed(error, np.full(len(error), float(images)), len(error))
    return bool((mean < -3 * error).any()), bool(now.any())


def best(generator: Random, images: int, noise: Draw, fault: float) -> tuple[bool, bool]:
    """Whether a family is found behind the best, before and now, where one is by ``fault`` and the others are equal."""
    values = noise(generator, (FAMILIES, images)) * PAIRED_SPREAD / math.sqrt(2)
    values[0] += fault
    values = values[values.mean(axis=1).argsort()]
    differences = values[1:] - values[0]
    counts = generator.multinomial(images, np.full(images, 1 / images), size=999)
    low = np.quantile(differences @ counts.T / images, 0.05 / (FAMILIES - 1) / 2, axis=1)
    named = [{"run_id": f"{index}", "dataset": "", "label": ""} for index in range(FAMILIES)]
    rows = beside_the_best(named, {f"{index}": nats for index, nats in enumerate(values)}, FAMILIES)
    return bool((low > 0).any()), any(row["finding"] == "behind" for row in rows)


def baseline(generator: Random, images: int, noise: Draw, fault: float, seeds: int = 1) -> tuple[bool, bool]:
    """Whether a store trained again is found worse, before and now, where one description is so by ``fault``."""
    shared = noise(generator, (FAMILIES, 1, images)) * SPREAD
    stores = []
    for worse in (fault, 0.0):
        own = noise(generator, (FAMILIES, seeds, images)) * PAIRED_SPREAD / math.sqrt(2)
        stores.append(shared + own + TRAINING * generator.normal(size=(FAMILIES, seeds, 1)))
        stores[-1][0] += worse
    here, there = (described(nats) for nats in stores)
    apart = (stores[0] - stores[1]).reshape(-1, images)
    errors = dict.fromkeys(MEASURES, apart.std(axis=1, ddof=1) / math.sqrt(images))
    now = compare(here, there, pd.DataFrame(errors, index=here["run_id"]))
    half = 1.96 * np.hypot(here["neg_elbo_se"], there["neg_elbo_se"])
    before = here["neg_elbo"] - there["neg_elbo"] > half
    return bool(before.any()), bool((now["finding"] == "regression").any())


def described(nats: NDArray[np.float64]) -> pd.DataFrame:
    """The runs of a store by their −ELBO on each image, (families, seeds, images); R and D are taken to be as noisy."""
    families, seeds, images = nats.shape
    mean, error = nats.mean(axis=2).ravel(), (nats.std(axis=2, ddof=1) / math.sqrt(images)).ravel()
    family, seed = (index.ravel() for index in np.indices((families, seeds)))
    return pd.DataFrame(
        {
            "run_id": [f"{number}" for number in range(len(mean))],
            "description": [f"{number}" for number in range(len(mean))],
            "but_for_seed": family, "label": family, "family": family, "beta": 1.0, "seed": seed, "test_images": images,
            **dict.fromkeys(MEASURES, mean), **{f"{name}_se": error for name in MEASURES},
        }
    )  # fmt: skip


def three_seeds(generator: Random, images: int, noise: Draw, fault: float) -> tuple[bool, bool]:
    """As ``baseline``, with three seeds of each description in both stores."""
    return baseline(generator, images, noise, fault, seeds=3)


FAULTS = {
    "a bound, missed by a standard deviation over images": (bounds, 1.0),
    "the best of 12, 3 nats behind": (best, 3.0),
    "a baseline, 5 nats lost": (baseline, 5.0),
    "a baseline, 15 nats lost": (baseline, 15.0),
    "a baseline of three seeds, 5 nats lost": (three_seeds, 5.0),
}


def rates(repeats: int) -> Iterator[list[str]]:
    """The rows of the table."""
    for what, (judge, fault) in FAULTS.items():
        for images in (2, 5, 100, 1000):
            for name, noise in NOISES.items():
                generator = np.random.default_rng(0)
                sound = np.mean([judge(generator, images, noise, 0.0) for _ in range(repeats)], axis=0)
                ill = np.mean([judge(generator, images, noise, fault) for _ in range(repeats)], axis=0)
                yield [what, f"{images}", name, *(f"{share:.1%}" for share in (*sound, *(1 - ill)))]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=400)
    options = parser.parse_args()
    headers = ["judged", "images", "noise", "false, before", "false, now", "missed, before", "missed, now"]
    for row in (headers, ["---"] * len(headers), *rates(options.repeats)):
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
