import math
import os
from pathlib import Path

import numpy as np
import pytest

from rdbench.data import custom, data_folder, largest_rate, load
from rdbench.data.dataset import unpack
from rdbench.errors import UserError

ONES = np.ones((20, 28, 28))


def saved(tmp_path, array, name="mine.npy"):
    path = tmp_path / name
    np.save(path, array)
    return str(path)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_one_array_is_shuffled_and_split(tmp_path, dtype):
    images = np.random.default_rng(0).integers(0, 2, (50, 784)).astype(dtype)
    dataset = load(saved(tmp_path, images))
    assert dataset.sizes == (40, 5, 5)
    found = np.concatenate([unpack(split) for split in (dataset.train, dataset.valid, dataset.test)]).reshape(50, 784)
    assert sorted(map(bytes, found)) == sorted(map(bytes, images.astype(np.uint8)))


def test_named_splits_are_kept(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, train=ONES[:7], valid=ONES[:2], test=ONES[:3])
    assert load(str(path)).sizes == (7, 2, 3)


def test_splits_of_different_sides_are_refused(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, train=ONES, valid=ONES, test=np.ones((20, 32, 32)))
    with pytest.raises(
        UserError, match="side of 28 pixels in train, 28 pixels in valid, 32 pixels in test; expected one"
    ):
        load(str(path))


def test_the_ceiling_of_a_rate_is_that_of_the_files_own_side(tmp_path):
    path = saved(tmp_path, np.ones((20, 16, 16)))
    assert largest_rate(path) == pytest.approx(256 * math.log(2))


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (ONES * 0.5, "values such as 0.5; expected zeros and ones only"),
        (ONES * 255, "values such as 255.0"),
        (ONES[:, :27], r"shape \(20, 27, 28\); expected \(N, side, side\)"),
        (ONES[:0], r"shape \(0, 28, 28\)"),
        (ONES * np.nan, "found NaN"),
        (np.array(["a"] * 784).reshape(1, 784), "values of type"),
        (ONES[:4], "found 4 images; expected at least 10"),
    ],
)
def test_what_is_no_set_of_binary_images_is_refused(tmp_path, array, told):
    with pytest.raises(UserError, match=told):
        load(saved(tmp_path, array))


def test_unreadable_files_are_refused(tmp_path):
    (tmp_path / "text.npy").write_text("no numpy here")
    (tmp_path / "text.npz").write_text("no zip here")
    np.savez(tmp_path / "odd.npz", train=ONES, images=ONES)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    for name in ("text.npy", "text.npz", "objects.npy"):
        with pytest.raises(UserError, match="cannot be read as NumPy data"):
            load(str(tmp_path / name))
    with pytest.raises(UserError, match="found the arrays images, train; expected train, valid and test"):
        load(str(tmp_path / "odd.npz"))
    with pytest.raises(UserError, match="no such file"):
        load(str(tmp_path / "absent.npy"))


def test_a_small_file_of_large_arrays_is_refused_before_they_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr(custom, "LARGEST", 1_000_000)
    np.savez_compressed(tmp_path / "bomb.npz", np.zeros((2000, 28, 28), np.uint8))
    assert (tmp_path / "bomb.npz").stat().st_size < 10_000
    with pytest.raises(UserError, match=r"found 1,568,128 bytes; expected at most 1,000,000"):
        load(str(tmp_path / "bomb.npz"))
    np.save(tmp_path / "large.npy", np.zeros((2000, 28, 28), np.uint8))
    with pytest.raises(UserError, match=r"found 1,568,128 bytes; expected at most 1,000,000"):
        load(str(tmp_path / "large.npy"))


def test_a_pipe_is_no_dataset_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(UserError, match="it is not a regular file"):
        load(str(tmp_path / "pipe.npy"))


def test_the_home_in_a_path_is_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.save(tmp_path / "mine.npy", np.zeros((20, 28, 28), np.uint8))
    assert load("~/mine.npy").sizes == (16, 2, 2)
    assert data_folder(Path("~")) == tmp_path
