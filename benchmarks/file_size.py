"""The rate of a run with codes as the size of a file: an entropy coder writes the codes of test images under m(z).

The file is then decoded, each code given those before it, as by a receiver who has the marginal but not the images.
"""

import argparse
import math
import sys
from pathlib import Path

import constriction
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Distribution

from rdbench.analysis.report.listing import choose
from rdbench.errors import UserError
from rdbench.models.distributions.codes import Indices
from rdbench.models.distributions.discrete import AutoregressiveLatents
from rdbench.models.quantised import CodeEncoder
from rdbench.runs.splits import Splits
from rdbench.runs.trained import load_data, load_model
from rdbench.store.row_checks import read_config
from rdbench.store.store import Store

Words = NDArray[np.uint32]
CODER = constriction.stream.model.Categorical(perfect=False)


def probabilities(marginal: Distribution, codes: Tensor, place: int) -> NDArray[np.float64]:
    """m(code at a place | those before it) of each image, (N, K); the rest of the (N, n) ``codes`` is not looked at.

    Sender and receiver compute it from the same numbers in the same shapes, so it is the same to the last bit.
    """
    if isinstance(marginal, AutoregressiveLatents):
        before = torch.zeros_like(codes)
        before[:, :place] = codes[:, :place]
        marginal = marginal.factors(marginal.network(before))
    if not isinstance(marginal, Indices):
        raise TypeError(f"{type(marginal).__name__} is no distribution of codes")
    logits = marginal.logits.expand(*codes.shape, -1)
    return logits[:, place].double().exp().numpy()


@torch.no_grad()
def encode(marginal: Distribution, codes: Tensor) -> Words:
    """(N, n) codes as words of 32 bits, place after place."""
    coder = constriction.stream.queue.RangeEncoder()
    for place in range(codes.shape[1]):
        symbols = codes[:, place].numpy().astype(np.int32)
        coder.encode(symbols, CODER, probabilities(marginal, codes, place))
    words: Words = coder.get_compressed()
    return words


@torch.no_grad()
def decode(marginal: Distribution, words: Words, images: int, places: int) -> Tensor:
    """The (N, n) codes that ``encode`` wrote."""
    decoder, codes = constriction.stream.queue.RangeDecoder(words), torch.zeros(images, places, dtype=torch.int64)
    for place in range(places):
        symbols = decoder.decode(CODER, probabilities(marginal, codes, place))
        codes[:, place] = torch.from_numpy(symbols)
    return codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("store")
    parser.add_argument("run_id", help="or its beginning")
    parser.add_argument("--images", type=int, default=100, help="test images")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--out", type=Path, default=Path("codes.bin"), help="the file to write")
    options = parser.parse_args()
    store = Store(options.store)
    (run_id,) = choose(store, [options.run_id], None)
    (row,) = store.read("runs", [run_id]).frame.to_dict("records")
    run, model = read_config(row["config"]), load_model(store, row)
    if not isinstance(model.encoder, CodeEncoder):
        raise UserError(f"z of encoder {run.encoder} is not codes; name a run of vq or vq2")
    images = Splits.of(load_data(row, run, options.data_dir), run, torch.device("cpu")).test[: options.images]
    with torch.no_grad():
        codes, marginal = model.encoder.quantise(images).codes, model.marginal()
        nats = -float(marginal.log_prob(codes).double().sum())
    options.out.write_bytes(encode(marginal, codes).tobytes())
    words = np.frombuffer(options.out.read_bytes(), np.uint32)
    same = torch.equal(decode(marginal, words, *codes.shape), codes)
    bits, written = nats / math.log(2), 8 * options.out.stat().st_size
    print(f"run {run_id}, {run.family.words}: {len(images)} images of {codes.shape[1]} codes")
    print(f"under m: {nats:,.1f} nats, {bits:,.1f} bits; R {nats / len(images):.2f} nats an image")
    print(f"{options.out}: {written:,} bits, {written // 8:,} bytes; {100 * (written / bits - 1):+.2f}%")
    print("decoded again without loss" if same else "decoded codes DIFFER")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
