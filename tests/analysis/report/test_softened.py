"""The bound of codes by softened draws stands beside the others."""

from rdbench.analysis.report.assemble import assemble
from rdbench.analysis.report.cells import runs_table
from rdbench.store.changes import extend


def test_minus_the_softened_bound_is_a_column(make_store, make_record):
    store = make_store({})
    extend(store, make_record().run_id, {"softened_iwae_50": -78.25, "softened_iwae_50_se": 0.5}, {})
    table = runs_table(assemble(store, [], [], None, None).rows)
    (cells,) = table.rows
    assert dict(zip(table.headers, cells, strict=True))["−softened IWAE-50"] == "78.25±0.50*"
