"""What every figure keeps to, whatever its width and a user's settings."""

from itertools import combinations, product

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from rdbench.analysis.plots import Look, draw, drawing_of, markers, paper_points
from rdbench.analysis.plots.drawing import Drawing
from rdbench.analysis.plots.style import look, own_style
from rdbench.config.family import FAMILIES, PART_KINDS, TOY, Family
from rdbench.config.parts import OWN


def contrast_to_white(colour):
    """By the Web Content Accessibility Guidelines 2.2, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return 1.05 / (float(np.dot([0.2126, 0.7152, 0.0722], linear)) + 0.05)


def test_families_are_told_apart_without_colour_and_stand_out_from_paper():
    looks = [look(family) for family in FAMILIES]
    assert len({(of["marker"], of["markerfacecolor"] == "white") for of in looks}) == len(FAMILIES)
    assert min(contrast_to_white(of["color"]) for of in looks) >= 3


def drawn(marker):
    """The ink of a filled marker, (60, 60), from 0 to 1."""
    figure = Figure(figsize=(0.3, 0.3), dpi=200)
    figure.add_axes((0, 0, 1, 1)).plot(0, 0, marker=marker, markersize=16, color="black")
    figure.axes[0].set_axis_off()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return 1 - np.asarray(canvas.buffer_rgba())[..., :3].mean(-1) / 255


def test_pairs_of_encoder_and_marginal_are_told_apart_by_shape():
    """Two shapes share less of their ink than the paper's circle and square, which are seen apart."""
    shapes = [*dict.fromkeys(markers.PAPER.values()), *markers.OTHERS]
    ink = [drawn(shape) for shape in shapes]
    shared = [np.minimum(one, other).sum() / np.maximum(one, other).sum() for one, other in combinations(ink, 2)]
    assert max(shared) < 0.82


def test_pairs_beyond_the_last_shape_take_the_first_ones_again(monkeypatch):
    more = [(f"new{number}", "gaussian") for number in range(len(markers.OTHERS))]
    monkeypatch.setattr(markers, "OTHER_PAIRS", [*markers.OTHER_PAIRS, *more])
    assert {markers.marker_of(*pair) for pair in more} == set(markers.OTHERS)


def test_families_of_our_own_parts_never_look_alike():
    of = {kind: [part for part in OWN if part.kind == kind] for kind in PART_KINDS}
    families = [Family(*(part.name for part in parts)) for parts in product(*of.values())
                if set.intersection(*(set(part.latent) for part in parts))]  # fmt: skip
    shown = {*markers.PAPER, *markers.OTHER_PAIRS[: len(markers.OTHERS)]}
    looks = [look(family) for family in families if family != TOY and (family.encoder, family.marginal) in shown]
    assert len({(one["marker"], one["markerfacecolor"]) for one in looks}) == len(looks) > 100
    assert min(contrast_to_white(one["color"]) for one in looks) >= 3


def test_the_look_of_a_plugins_family_never_changes():
    assert [markers.place(name, 26) for name in ("dense-gaussian", "thick-vamp")] == [2, 23]


@pytest.mark.parametrize("kind", ["plane", "skew", "history", "phase", "attribution"])
@pytest.mark.parametrize("width", [3.15, 7.0])
def test_text_is_of_eight_points_and_within_the_figure(store, invented, kind, width):
    parts = {"mutual_information": 1.0, "marginal_kl": 1.0, "encoder_gap": 1.0}
    with own_style():
        figure = drawing_of(kind)(Drawing(store, invented(**parts), paper_points(), width))
        figure.draw_without_rendering()
    assert figure.get_figwidth() <= width
    drawn = figure.get_tightbbox()  # in inches
    assert min(drawn.x0, drawn.y0) >= -0.02
    assert drawn.x1 <= figure.get_figwidth() + 0.02 and drawn.y1 <= figure.get_figheight() + 0.02
    texts = [text for text in figure.findobj(Text) if text.get_text().strip()]
    assert {text.get_fontsize() for text in texts} == {8}


def test_a_users_settings_do_not_reach_the_figures(store, invented, tmp_path):
    draw(store, invented(), ["plane"], ["png"], tmp_path / "plain")
    with mpl.rc_context({"font.size": 20, "savefig.dpi": 30, "axes.facecolor": "black", "savefig.bbox": "tight"}):
        draw(store, invented(), ["plane"], ["png"], tmp_path / "theirs")
        assert mpl.rcParams["font.size"] == 20
    assert (tmp_path / "plain" / "plane.png").read_bytes() == (tmp_path / "theirs" / "plane.png").read_bytes()


def test_a_figure_in_grey_has_no_colour_and_the_width_asked_for(store, invented, tmp_path):
    paths, *_ = draw(store, invented(), ["plane"], ["png"], tmp_path, Look(3.25, "grey", paper_points()))
    image = np.asarray(Image.open(paths[0]).convert("RGB")).astype(int)
    assert np.ptp(image, axis=2).max() == 0
    assert image.shape[1] == 3.25 * 200


def test_fonts_of_a_pdf_are_truetype(store, invented, tmp_path):
    (path,), *_ = draw(store, invented(), ["plane"], ["pdf"], tmp_path)
    content = path.read_bytes()
    assert b"/CIDFontType2" in content or b"/TrueType" in content
    assert b"/Type3" not in content
