"""Runs that nobody trained, for what is to be timed with many of them."""

import numpy as np

from rdbench.config.family import FAMILIES
from rdbench.config.run_config import RunConfig
from rdbench.store.schema import Record

SHA256 = "d" * 64


def row(run_id: str, run: RunConfig, sweep: str, images: int, generator: np.random.Generator) -> dict:
    """The invented row of a run: somewhere above R + D = 80 nats."""
    rate, over = generator.uniform(0, 60), generator.exponential(5)
    measures = {"rate": rate, "distortion": 80 - rate + over, "elbo": -80 - over}
    measures |= {"iwae_1": -80 - over, "iwae_5": -79.5 - over, "iwae_50": -79 - over}
    return {
        "run_id": run_id, "sweep": sweep, "status": "ok", "error": None, "created_at": "2026-01-01T00:00:00+00:00",
        **run.columns(), "config": run.model_dump_json(),
        "dataset_sha256": SHA256, "command": "invented", "device": "cpu", "train_seconds": 1.0, "test_images": images,
        "entropy": None, **measures, **{f"{name}_se": 0.2 for name in measures},
    }  # fmt: skip


def record(number: int, images: int, generator: np.random.Generator) -> Record:
    """All that an invented run leaves."""
    family = FAMILIES[number % 12]
    config = RunConfig(**family._asdict(), beta=round(0.1 + 0.001 * (number // 12), 3), seed=number, iwae=(1, 5, 50))
    run_id = config.run_id(SHA256)
    found = row(run_id, config, "invented", images, generator)
    noise = generator.normal(size=images)
    examples = {"run_id": [run_id] * images, "index": np.arange(images)}
    examples |= {name: found[name] + noise for name in ("rate", "distortion")}
    history = {"run_id": [run_id], "epoch": [1], "beta": [1.0]}
    history |= {f"valid_{name}": [found[name]] for name in ("rate", "distortion")}
    return Record(run_id, found, history, examples, {"weight": np.zeros(1, np.float32)})
