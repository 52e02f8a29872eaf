"""Invented records of runs, for benchmarks that need many."""

import numpy as np

from rdbench.config.family import FAMILIES
from rdbench.config.run_config import RunConfig
from rdbench.store.schema import Record

SHA256 = "d" * 64


def row(run_id: str, run: RunConfig, sweep: str, images: int, generator: np.random.Generator) -> dict:
    """The invented row of a run: somewhere above R + D = 80 nats."""
    rate, over = generator.uniform(1, 60), generator.exponential(5)
    measures = {"rate": rate, "distortion": 80 - rate + over, "elbo": -80 - over}
    measures |= {"iwae_1": -80 - over, "iwae_5": -79.5 - over, "iwae_50": -79 - over}
    return {
        "run_id": run_id, "sweep": sweep, "status": "ok", "error": None, "created_at": "2026-01-01T00:00:00+00:00",
        **run.columns(), "config": run.model_dump_json(), "precision": "float32",
        "dataset_sha256": SHA256, "command": "invented", "device": "cpu", "train_seconds": 1.0, "test_images": images,
        "train_rate": rate, "train_distortion": 80 - rate + over, "entropy": None,
        **measures, **{f"{name}_se": 0.2 for name in measures},
    }  # fmt: skip


def record(number: int, images: int, generator: np.random.Generator) -> Record:
    """All that an invented run leaves; what it says of each image agrees with its row, so that every claim holds."""
    family = FAMILIES[number % 12]
    config = RunConfig(**family._asdict(), beta=round(0.1 + 0.001 * (number // 12), 3), seed=number, iwae=(1, 5, 50))
    run_id = config.run_id(SHA256)
    found = row(run_id, config, "invented", images, generator)
    rate, distortion = (found[name] + generator.uniform(-1, 1, images) for name in ("rate", "distortion"))
    per_image = {"rate": rate, "distortion": distortion, "elbo": -rate - distortion}
    per_image |= {f"iwae_{k}": per_image["elbo"] + more for k, more in ((1, 0.0), (5, 0.5), (50, 1.0))}
    found |= {name: values.mean() for name, values in per_image.items()}
    found |= {f"{name}_se": values.std(ddof=1) / images**0.5 for name, values in per_image.items()}
    examples = {"run_id": [run_id] * images, "index": np.arange(images)}
    examples |= {name: values for name, values in per_image.items() if name != "elbo"}
    history = {"run_id": [run_id], "epoch": [1], "beta": [1.0]}
    history |= {f"valid_{name}": [found[name]] for name in ("rate", "distortion")}
    return Record(run_id, found, history, examples, {"weight": np.zeros(1, np.float32)})
