import math

import pytest

from rdbench import data
from rdbench.config.parts import OWN, find, unregister
from rdbench.config.plugins import load_plugins
from rdbench.data import DATASETS, checksum, largest_rate, load, make_ready
from rdbench.errors import UserError


def test_every_dataset_of_the_registry_says_what_must_come_out():
    assert list(DATASETS) == [part.name for part in OWN if part.kind == "dataset"]


@pytest.fixture
def brought(tmp_path):
    """A file that brings a dataset; it is forgotten after the test."""
    path = tmp_path / "bars.py"
    path.write_text(
        "import numpy as np\n"
        "from rdbench import Part\n"
        "from rdbench.data import from_arrays\n"
        "def load(folder):\n"
        "    x = np.zeros((20, 8, 8)); x[:, 2] = 1\n"
        "    return from_arrays('bars', {'train': x, 'valid': x, 'test': x})\n"
        "def odd(folder):\n"
        "    return 3\n"
        "PARTS = [Part('dataset', 'bars', 'load'), Part('dataset', 'odd', 'odd')]\n"
    )
    load_plugins([path])
    yield
    for name in ("bars", "odd"):
        unregister(find("dataset", name))


def test_a_dataset_from_elsewhere_is_loaded_and_known_by_its_bits(brought):
    assert load("bars").side == 8
    assert checksum("bars") == load("bars").sha256
    assert largest_rate("bars") == pytest.approx(64 * math.log(2))
    with pytest.raises(UserError, match=r"unknown dataset 'bar'; did you mean 'bars'.* comes with --plugin FILE or an"):
        load("bar")
    with pytest.raises(UserError, match=r"dataset odd: its function gave int; expected rdbench.data.Dataset"):
        load("odd")


@pytest.mark.parametrize("name", ["mnist", "omniglot-small", "sprites", "toy"])
def test_checksum_and_ceiling_open_no_file(name, monkeypatch):
    monkeypatch.setattr(data, "load", None)
    assert len(checksum(name)) == 64
    assert largest_rate(name) > 0


def test_a_table_is_ready_and_holds_no_images():
    make_ready("toy")
    with pytest.raises(UserError, match="dataset toy: it holds no images; it goes with: rdbench toy"):
        load("toy")
