import numpy as np
import pytest
from scipy.io import savemat

from rdbench import data
from rdbench.data import omniglot
from rdbench.data.dataset import unpack
from rdbench.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A small file of the published layout: grey levels are 0 or 1, so that the bits are known."""
    generator = np.random.default_rng(0)
    train, test = (generator.integers(0, 2, (count, 28, 28)).astype(float) for count in (12, 5))
    columns = {"data": train, "testdata": test}
    # Fortran order: the column of an image runs down its first column of pixels first
    savemat(
        tmp_path / "chardata.mat",
        {key: np.stack([image.ravel("F") for image in images], 1) for key, images in columns.items()},
    )
    monkeypatch.setattr(omniglot, "GIT_BLOB", omniglot.git_blob((tmp_path / "chardata.mat").read_bytes()))
    monkeypatch.setattr(omniglot, "VALID_IMAGES", 4)
    return tmp_path, train, test


def test_images_stand_upright_and_the_splits_are_fixed(folder):
    path, train, test = folder
    dataset = omniglot.load(path)
    assert dataset.sizes == (8, 4, 5)
    assert (unpack(dataset.test) == test).all()
    found = np.concatenate([unpack(dataset.train), unpack(dataset.valid)])
    assert sorted(map(bytes, found)) == sorted(map(bytes, train.astype(np.uint8)))
    assert omniglot.load(path).sha256 == dataset.sha256


def test_grey_levels_are_probabilities():
    grey = np.full((400, 28, 28), 0.3)
    assert data.dataset.binarize(grey, seed=1).mean() == pytest.approx(0.3, abs=0.005)


def test_another_file_is_refused_with_both_ids(folder):
    path, _, _ = folder
    with (path / "chardata.mat").open("ab") as file:
        file.write(b"x")
    with pytest.raises(UserError, match=r"chardata.mat: its git blob id is \w{40}, expected \w{40}"):
        omniglot.load(path)
