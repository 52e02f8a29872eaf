import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rdbench.analysis.frame import frontier

points = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30)


@given(points)
def test_the_frontier_is_what_nothing_dominates(points):
    rate, distortion = np.array(points, float).T
    best = frontier(rate, distortion)
    for index in range(len(points)):
        dominated = ((rate <= rate[index]) & (distortion <= distortion[index])
                     & ((rate < rate[index]) | (distortion < distortion[index]))).any()  # fmt: skip
        found = (rate[index], distortion[index]) in zip(rate[best], distortion[best], strict=True)
        assert found == (not dominated)
    assert (np.diff(rate[best]) > 0).all()
    assert (np.diff(distortion[best]) < 0).all()
