import pytest

from rdbench.config.family import FAMILIES, parse_family
from rdbench.errors import UserError


def test_twelve_families_have_distinct_names():
    assert (
        len(FAMILIES) == len({family.words for family in FAMILIES}) == len({family.signs for family in FAMILIES}) == 12
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_words_and_signs_name_the_same_family(family):
    assert parse_family(family.words) == parse_family(family.signs) == family


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gausian-pixelcnn-vamp", "unknown encoder 'gausian'; did you mean 'gaussian'"),
        ("gaussian-mine-vamp", "unknown decoder 'mine'.*comes with --plugin FILE or an installed package"),
        ("--x", "unknown family '--x'"),
    ],
)
def test_an_unknown_family_is_refused_with_what_is_unknown(name, told):
    with pytest.raises(UserError, match=told):
        parse_family(name)
