"""Runs that nobody trained, for what is to be timed with many of them."""

import numpy as np

from rdbench.config import RunConfig
from rdbench.family import FAMILIES
from rdbench.schema import Record

SHA256 = "d" * 64


def record(number: int, images: int, generator: np.random.Generator) -> Record:
    """An invented run: somewhere above R + D = 80 nats."""
    family = FAMILIES[number % 12]
    config = RunConfig(**family._asdict(), beta=round(0.1 + 0.001 * (number // 12), 3), seed=number, iwae=(1, 5, 50))
    rate = generator.uniform(0, 60)
    distortion = 80 - rate + generator.exponential(5)
    run_id = config.run_id(SHA256)
    row = config.model_dump(mode="json", exclude={"iwae"}) | {
        "run_id": run_id, "status": "ok", "error": None, "family": family.words, "config": config.model_dump_json(),
        "dataset_sha256": SHA256, "test_images": images, "entropy": None, "train_seconds": 1.0, "sweep": "invented",
        "command": "invented", "rate": rate, "distortion": distortion, "elbo": -(rate + distortion),
        "iwae_1": -(rate + distortion), "iwae_5": 0.5 - rate - distortion, "iwae_50": 1 - rate - distortion,
    }  # fmt: skip
    row |= {f"{name}_se": 0.2 for name in ("rate", "distortion", "elbo", "iwae_1", "iwae_5", "iwae_50")}
    noise = generator.normal(size=images)
    examples = {
        "run_id": [run_id] * images,
        "index": np.arange(images),
        "rate": rate + noise,
        "distortion": distortion + noise,
    }
    history = {"run_id": [run_id], "epoch": [1], "beta": [1.0], "valid_rate": [rate], "valid_distortion": [distortion]}
    return Record(run_id, row, history, examples, {"weight": np.zeros(1, np.float32)})
