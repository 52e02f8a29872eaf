"""The name of a run, which must never change."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

FIRST_KEYS = frozenset((
    "dataset", "encoder", "decoder", "marginal", "width", "latent_dim", "pseudo_inputs", "objective", "beta",
    "anneal_epochs", "epochs", "batch_size", "learning_rate", "precision", "seed", "iwae", "rate_samples",
    "evaluation_images",
))  # fmt: skip
"""The keys of the first release, which every run's name hashes. Any later key is hashed only off its default."""


def name_of(description: Mapping[str, Any], defaults: Mapping[str, Any], dataset_sha256: str) -> str:
    """A run's name: a hash of its description, in which the dataset's checksum stands for its path.

    A key newer than the first release is hashed only where it differs from its default, so that older runs keep
    their names. A key without a default belongs to a part that is not installed here, and is hashed.
    """
    hashed = {
        key: value
        for key, value in description.items()
        if key in FIRST_KEYS or key not in defaults or value != defaults[key]
    } | {"dataset": dataset_sha256}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:16]
