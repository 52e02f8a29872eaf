"""The table of annealing says where it and IWAE-5000 disagree by more than their errors."""

import numpy as np
import pytest

from rdbench.analysis.report.assemble import assemble
from rdbench.analysis.report.cells import annealed_tables
from rdbench.store.changes import extend


def told(store, run_id, **columns):
    """The cells of a run's row in the table, by their headers."""
    judged = {"ais_500": -78.0, "ais_500_se": 1.0, "ais_500_gap": 0.6, "ais_500_gap_se": 0.1, "ais_500_upper": -70.0,
              "ais_500_upper_se": 1.0, "ais_images": 100, "ais_chains": 8, "ais_accepted": 0.654}  # fmt: skip
    extend(store, run_id, judged | columns, {})
    (table,) = annealed_tables(assemble(store, [], [], None, None).rows)
    (cells,) = table.rows
    return dict(zip(table.headers, cells, strict=True))


@pytest.mark.parametrize(("apart", "agree"), [(0.29, "yes"), (-0.29, "yes"), (0.31, "no"), (-0.31, "no")])
def test_three_standard_errors_of_the_paired_difference_decide(make_store, make_record, apart, agree):
    run_id = make_record().run_id
    found = told(make_store({}), run_id, ais_500_less_iwae=apart, ais_500_less_iwae_se=0.1)
    assert found["agree"] == agree and found["accepted"] == "0.65"
    assert found["−log p ≤"].startswith("78.0")


def test_what_was_summed_says_so(make_store, make_record):
    columns = {"ais_500_less_iwae": 0.0, "ais_500_less_iwae_se": 0.1, "ais_accepted": np.nan}
    assert told(make_store({}), make_record().run_id, **columns)["accepted"] == "summed"


def test_without_an_error_nothing_is_said_of_agreement(make_store, make_record):
    columns = {"ais_500_less_iwae": 5.0, "ais_500_less_iwae_se": np.nan}
    assert told(make_store({}), make_record().run_id, **columns)["agree"] == "–"
