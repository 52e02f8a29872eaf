import pytest

from rdbench.analysis.plots import drawing_of, paper_points, read_points
from rdbench.analysis.plots.drawing import Drawing
from rdbench.analysis.plots.style import look
from rdbench.config.family import parse_family
from rdbench.errors import UserError


def test_points_of_a_csv_file_are_drawn_with_their_familys_marker(store, invented, tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("label,family,rate,distortion\nSmith (2020),+-v,20.5,70\nJones (2021),,30,66\n", encoding="utf-8")
    points = read_points(path)
    assert points["family"].iloc[0] == "iaf-deconv-vamp"
    axes = drawing_of("plane")(Drawing(store, invented(), points)).axes[0]
    markers = {line.get_marker() for line in axes.lines if list(line.get_xdata()) == [20.5]}
    assert look(parse_family("+-v"))["marker"] in markers
    assert {"Smith (2020) (dotted)", "Jones (2021)"} <= set(axes.get_legend_handles_labels()[1])


def test_the_papers_points_are_those_with_both_coordinates():
    points = paper_points()
    assert len(points) == 29 and points[["rate", "distortion", "family"]].notna().all(axis=None)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "cannot be read as CSV"),
        ("rate,D\n1,2\n", "found the columns rate, D; expected rate and distortion"),
        ("rate,distortion\n1,2\n3,x\n", "line 3: found distortion x; expected nats"),
        ("rate,distortion,family\n1,2,a-b-c\n", "unknown encoder 'a'"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path, content, told):
    path = tmp_path / "theirs.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=told):
        read_points(path)
