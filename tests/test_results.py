"""What we publish holds by our own gate."""

from pathlib import Path

import pytest

from rdbench.report import assemble
from rdbench.store import Store

STORES = sorted(path.parent for path in (Path(__file__).parent.parent / "results").glob("*/runs"))


@pytest.mark.parametrize("folder", STORES, ids=lambda folder: folder.name)
def test_a_published_store_passes_the_gate(folder):
    report = assemble(Store(folder), [], [], None, None)
    assert report.exit_code == 0, [*report.regressions, *report.problems]
    assert not list(folder.glob("checkpoints/*"))
