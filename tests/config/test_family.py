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


def test_unknown_family_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="did you mean 'gaussian-pixelcnn-vamp'"):
        parse_family("gausian-pixelcnn-vamp")
