"""The share of the matrix peak that training reaches: model FLOP/s of each family against those of one large product.

The FLOP of a step are those of its products and convolutions and of their gradients, as torch counts them over the
modules, however they are computed. The peak is measured with every turn, in the precision of the training.
"""

import argparse
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from contest import Contender
from machine import describe
from torch.utils.flop_counter import FlopCounterMode

from rdbench.config.family import FAMILIES, parse_family
from rdbench.config.run_config import make_run
from rdbench.models import make_model
from rdbench.runs.device import fast_precision, pick_device

SIDE = {"cpu": 4096, "cuda": 16384}
PRODUCTS = {"cpu": 3, "cuda": 50}


def flop_an_image(signs: str, batch: int, width: float) -> float:
    """Counted on the device of shapes alone, where transposed convolutions are not made of others."""
    config = make_run(parse_family(signs)._asdict() | {"width": width})
    model = make_model(config).to("meta")
    with FlopCounterMode(display=False) as counter:
        terms = model(torch.empty(batch, 28, 28, device="meta"))
        (terms.mean_distortion + terms.mean_rate).backward()
    return counter.get_total_flops() / batch


def peak() -> float:
    """FLOP a second of square products in the precision that training takes."""
    device = pick_device("auto")
    dtype = torch.bfloat16 if fast_precision(device) == "bfloat16" else torch.float32
    one, other = torch.randn(2, SIDE[device.type], SIDE[device.type], device=device, dtype=dtype)
    (one @ other)[0, 0].item()  # the first is slow; reading a number waits for it
    start = time.perf_counter()
    for _ in range(PRODUCTS[device.type]):
        product = one @ other
    product[0, 0].item()
    return 2 * SIDE[device.type] ** 3 * PRODUCTS[device.type] / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--family", action="append", help="signs of a family; by default all twelve")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=200 if torch.cuda.is_available() else 3, help="in a turn")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each family")
    parser.add_argument("--out", type=Path, help="write a row per turn to this Parquet file")
    options = parser.parse_args()
    rows = []
    for signs in options.family or [family.signs for family in FAMILIES]:
        flop = flop_an_image(signs, options.batch, options.width)
        here = Contender(sys.executable, "rdbench", "train", signs, options.batch, options.width)
        here.turn(2)  # the first of anything is slow
        for repeat in range(options.repeats):
            speed, most = here.turn(options.steps), peak()
            rows.append(
                {"family": signs, "repeat": repeat, "batch": options.batch, "width": options.width,
                 "images_a_second": speed, "flop_an_image": flop, "flop_a_second": speed * flop, "peak": most,
                 "utilisation": speed * flop / most}
            )  # fmt: skip
        here.end()
    frame = pd.DataFrame(rows)
    columns = ["images_a_second", "flop_an_image", "flop_a_second", "peak", "utilisation"]
    print(frame.groupby("family", sort=False)[columns].median().to_string(float_format=lambda value: f"{value:.3g}"))
    print(describe())
    if options.out:
        frame.assign(**describe()).to_parquet(options.out)


if __name__ == "__main__":
    main()
