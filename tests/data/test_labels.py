import hashlib
import math

import numpy as np
import pytest

from rdbench.data import DATASETS, load, mnist, sprites, toy
from rdbench.data.custom import from_arrays
from rdbench.errors import UserError

MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
"""How many images of each digit MNIST has, by its publishers' files."""


def entropy(counts):
    return -sum(count / sum(counts) * math.log(count / sum(counts)) for count in counts)


def test_mnists_digits_are_as_many_as_mnist_has():
    digits = mnist.digits()
    assert (digits["test"] == np.repeat(np.arange(10), MNIST_TEST)).all()  # the test rows are sorted by digit
    assert np.bincount(np.concatenate([digits["train"], digits["valid"]])).tolist() == MNIST_TRAIN
    assert digits.entropy == pytest.approx(entropy(MNIST_TEST))
    assert digits.entropy == pytest.approx(2.30085, abs=1e-5)


def test_mnists_digits_are_those_of_its_images(data_dir):
    """The mean image of each digit in training, as a classifier: chance is 10%."""
    dataset = load("mnist", data_dir)
    assert list(dataset.label_sets) == ["digit"]
    train, test = (dataset.images(split)[:5000].reshape(-1, 784).astype(np.float32) for split in ("train", "valid"))
    labels = dataset.labels["train"][:5000]
    means = np.stack([train[labels == digit].mean(0) for digit in range(10)])
    nearest = (test @ means.T - (means**2).sum(1) / 2).argmax(1)
    assert (nearest == dataset.labels["valid"][:5000]).mean() > 0.75


def test_changed_labels_of_mnist_are_refused(tmp_path, monkeypatch):
    splits = {split: mnist.digits()[split].copy() for split in ("train", "valid", "test")}
    splits["valid"][0] += 1
    np.savez(tmp_path / mnist.LABELS, **splits)
    monkeypatch.setattr(mnist, "files", lambda package: tmp_path)
    with pytest.raises(UserError, match=r"labels of valid have SHA-256 .*, expected ad502ca8.*; install rdbench again"):
        mnist.digits()
    (tmp_path / mnist.LABELS).write_bytes(b"")
    with pytest.raises(UserError, match="cannot be read"):
        mnist.digits()


def test_a_sprites_label_is_the_shape_of_the_nearest_template():
    dataset = load("sprites")
    nearest = sprites.hamming(dataset.images("test").reshape(-1, 784), sprites.templates()).argmin(1)
    by_shape = dict(zip(sprites.SHAPES, np.split(np.arange(len(sprites.templates())), 4), strict=True))
    shapes = [next(shape for shape, members in by_shape.items() if index in members) for index in nearest[:200]]
    assert [dataset.labels.classes[label] for label in dataset.labels["test"][:200]] == shapes
    assert dataset.labels.entropy == pytest.approx(math.log(4))


def test_omniglots_characters_and_alphabets(data_dir):
    dataset = load("omniglot-small", data_dir)
    alphabet, character = dataset.label_sets.values()
    assert dataset.labels is alphabet
    assert (len(alphabet.classes), len(character.classes)) == (8, 242)
    assert character.entropy == pytest.approx(math.log(242))
    for split, size in zip(("train", "valid", "test"), dataset.sizes, strict=True):
        assert np.bincount(character[split]).tolist() == [size // 242] * 242
        names = [character.classes[label].split("/")[0] for label in character[split]]
        assert [alphabet.classes[label] for label in alphabet[split]] == names
    assert np.bincount(alphabet["test"]).tolist()[alphabet.classes.index("Greek")] == 24 * 4


@pytest.mark.parametrize("name", ["mnist", "omniglot-small", "sprites"])
def test_labels_have_the_recorded_checksums_whether_built_or_packed(name, data_dir):
    for _ in range(2):
        load.cache_clear()
        found = {label: labels.sha256 for label, labels in load(name, data_dir).label_sets.items()}
        assert found == DATASETS[name].labels


def test_the_toys_class_carries_less_than_its_own_entropy():
    assert toy.class_entropy() == pytest.approx(entropy([3, 7]))
    assert toy.class_entropy() > toy.CLASS_INFORMATION


OWN = {split: np.zeros((count, 8, 8)) for split, count in (("train", 4), ("valid", 2), ("test", 3))}
OWN_LABELS = {"train_labels": [3, 3, 7, 5], "valid_labels": [7, 7], "test_labels": [5, 7, 7]}


def test_labels_of_ones_own_are_classes_by_value():
    labels = from_arrays("mine", OWN | {key: np.array(value) for key, value in OWN_LABELS.items()}).labels
    assert labels.classes == ("3", "5", "7")
    assert [labels[split].tolist() for split in ("train", "valid", "test")] == [[0, 0, 2, 1], [2, 2], [1, 2, 2]]
    assert labels.entropy == pytest.approx(entropy([1, 2]))


def test_labels_change_no_checksum_of_the_bits_and_have_their_own():
    bare = from_arrays("mine", OWN)
    one, other = (from_arrays("mine", OWN | OWN_LABELS | {"test_labels": labels}) for labels in ([5, 7, 7], [7, 7, 7]))
    assert bare.labels is None
    assert bare.sha256 == one.sha256 == other.sha256
    assert one.labels.sha256 != other.labels.sha256
    values = np.array([0, 0, 2, 1, 2, 2, 1, 2, 2], "<i8").tobytes()
    assert one.labels.sha256 == hashlib.sha256(b"3\x005\x007" + values).hexdigest()


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"train_labels": [1, 2, 3, 4]}, "found train_labels; expected train_labels, valid_labels, test_labels, or"),
        (OWN_LABELS | {"valid_labels": [1]}, r"mine\[valid_labels\]: found int64 of shape \(1,\); expected .* \(2,\)"),
        (OWN_LABELS | {"valid_labels": [0.5, 1]}, "found float64 of shape"),
        (OWN_LABELS | {"valid_labels": [[1], [2]]}, r"of shape \(2, 1\)"),
    ],
)
def test_labels_that_do_not_fit_the_images_are_refused(labels, told):
    with pytest.raises(UserError, match=told):
        from_arrays("mine", OWN | labels, "mine")
