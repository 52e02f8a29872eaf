"""Time to draw images from PixelCNN++: each feature computed once, against a pass of the whole network per pixel.

The first is timed as a whole. Of the second a few passes are timed, and their mean is multiplied by the number of
pixels. The two take turns, so that other work on the machine affects both.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from machine import describe

from rdbench.models.distributions.image import AutoregressivePixels
from rdbench.models.nn.pixelcnn import PixelCNN


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--images", type=int, default=64, help="drawn at once")
    parser.add_argument("--side", type=int, default=28, help="pixels, a multiple of 4")
    parser.add_argument("--features", type=int, default=64, help="of the network; 64 is full width")
    parser.add_argument("--repeats", type=int, default=5, help="turns that each of the two takes")
    parser.add_argument("--passes", type=int, default=4, help="of the whole network, timed at each turn")
    parser.add_argument("--out", type=Path, help="write a row per turn to this Parquet file")
    options = parser.parse_args()
    times = measure(options.images, options.side, options.features, options.repeats, options.passes)
    report(times)
    if options.out:
        times.assign(**describe()).to_parquet(options.out, index=False)
        print(f"wrote {options.out}")


@torch.no_grad()
def measure(images: int, side: int, features: int, repeats: int, passes: int) -> pd.DataFrame:
    """A row per turn: seconds to draw all images, and seconds that a whole pass per pixel would take."""
    torch.manual_seed(0)
    network, context = PixelCNN(features), torch.randn(images, side, side)
    distribution, uniform = AutoregressivePixels(network, context), torch.rand(images, side, side)
    sample = distribution.from_uniform(uniform)  # the first of anything is slow
    network(sample, context)
    rows = []
    for _ in range(repeats):
        ours = seconds(lambda: distribution.from_uniform(uniform))
        one_pass = seconds(lambda: [network(sample, context) for _ in range(passes)]) / passes
        rows.append({"ours_seconds": ours, "pass_seconds": one_pass, "naive_seconds": side**2 * one_pass})
    size = {"images": images, "side": side, "features": features, "passes_timed": passes}
    times = pd.DataFrame(rows).assign(**size)
    return times.assign(ratio=times["naive_seconds"] / times["ours_seconds"])


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def report(times: pd.DataFrame) -> None:
    """Print the mean of each time and its range over the turns."""
    size = times.iloc[0]
    print(", ".join(f"{key} {found}" for key, found in describe().items()))
    print(f"{size.images:.0f} images of {size.side:.0f}×{size.side:.0f}, {size.features:.0f} features")
    print(f"{len(times)} turns; naive is {size.side**2:.0f} × the mean of {size.passes_timed:.0f} passes at each turn")
    table = times[["ours_seconds", "pass_seconds", "naive_seconds", "ratio"]].agg(["mean", "min", "max"]).T
    print(table.to_string(float_format="{:.2f}".format))


if __name__ == "__main__":
    main()
