import pytest

from rdbench import data
from rdbench.config.family import dataset_kind
from rdbench.data import DATASETS, checksum, largest_rate, load, make_ready
from rdbench.errors import UserError


@pytest.mark.parametrize("name", DATASETS)
def test_what_can_be_built_is_images_and_nothing_else_is(name):
    assert (DATASETS[name].build is not None) == (dataset_kind(name) == "images")


@pytest.mark.parametrize("name", ["mnist", "omniglot-small", "sprites", "toy"])
def test_checksum_and_ceiling_open_no_file(name, monkeypatch):
    monkeypatch.setattr(data, "load", None)
    assert len(checksum(name)) == 64
    assert largest_rate(name) > 0


def test_a_table_is_ready_and_holds_no_images():
    make_ready("toy")
    with pytest.raises(UserError, match="dataset toy: it holds no images; it goes with: rdbench toy"):
        load("toy")
