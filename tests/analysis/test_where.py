import numpy as np
import pandas as pd
import pytest

from rdbench.analysis.where import where
from rdbench.errors import UserError

RUNS = pd.DataFrame(
    {
        "rate": [1.0, 20.0, 5.0],
        "family": ["gaussian-deconv-maf", "gaussian-deconv-maf", "iaf-deconv-maf"],
        "epochs": [1, 2, 3],
        "dataset": ["q-and-a.npz", "black and white.npz", "mnist"],
        "train_information": [True, False, None],
        "rate_by_dimension": [None, np.array([1.0, 2.0]), None],
    }
)


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("rate < 10", [0, 2]),
        ("rate<10 and epochs>=3", [2]),
        ("family == gaussian-deconv-maf", [0, 1]),
        ("family == +-+", [2]),
        ("family != 'gaussian-deconv-maf' and rate = 5", [2]),
        ("rate > 1e3", []),
        ("dataset == q-and-a.npz", [0]),
        ("dataset == 'q-and-a.npz' and rate < 10", [0]),
        ('dataset == "black and white.npz"', [1]),
        ('rate < 10 and dataset = "and" and epochs > 1', []),
        ("train_information == true", [0]),
        ("train_information = False and rate > 1", [1]),
    ],
)
def test_conditions_choose_rows(condition, kept):
    assert list(where(RUNS, condition).index) == kept


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("rat < 10", "unknown column 'rat'; did you mean 'rate'"),
        ("rate", "expected conditions such as"),
        ("rate < ten", "expected a number for rate"),
        ("family < 3", "family is text"),
        ("train_information > false", "expected train_information == true, or false"),
        ("train_information == 1", "expected train_information == true, or false"),
        ("rate_by_dimension == 3", "has a list of numbers for each run"),
        ("rate_by_dimension != x", "has a list of numbers for each run"),
        ("dataset == 'mnist", "expected conditions such as"),
        ("rate < 10 and", "expected conditions such as"),
        ("family == a-b-c", "unknown encoder 'a'"),
        ("rate < 10 or epochs > 1", "expected conditions such as"),
        ("__import__('os').system('true')", "expected conditions such as"),
        ("rate < __import__('os').getpid()", "expected a number"),
    ],
)
def test_anything_else_is_refused_and_never_run(condition, told):
    with pytest.raises(UserError, match=told):
        where(RUNS, condition)
