"""Items by their IDs, titles, parts of titles and titles with mistakes."""

import difflib
import itertools

import pyarrow as pa
import pytest

from pipeline.recommend.item_titles import Titles, UnknownItemError

SYLLABLES = ("ba", "cor", "dun", "fe", "gri", "hal", "jo", "kum", "lis", "mar", "nep",
             "oks", "pra", "quo", "rim", "sta", "tev", "ul", "vox", "wen")  # fmt: skip


def titles_of(*names):
    return Titles(pa.table({"item_id": [f"i{n}" for n in range(len(names))],
                            "title": list(names)}))  # fmt: skip


@pytest.fixture(scope="module")
def many():
    """8,000 titles: every word of three syllables, and its first ones twice."""
    return ["".join(s) + " " + s[0] * 2 for s in itertools.product(SYLLABLES, repeat=3)]


def test_an_item_is_found_by_its_id_title_or_part_of_a_title():
    titles = titles_of("Heat (1995)", "Alien (1979)", None)
    for text in ("i1", "ALIEN (1979)", "lie"):
        assert titles.find(text) == "i1"
    assert titles.find("i2") == titles.of("i2") == "i2"


def test_several_items_with_a_part_of_their_titles_are_named():
    titles = titles_of("Heat (1995)", "Alien (1979)", "Aliens (1986)")
    with pytest.raises(UnknownItemError, match=r"more than one.*i1 Alien.*i2 Aliens"):
        titles.find("alien")


def test_items_with_the_same_title_are_named():
    titles = titles_of("Hamlet (2000)", "Hamlet (2000)", "Alien (1979)")
    for text in ("hamlet (2000)", "haml", "hamlt (2000)"):
        with pytest.raises(UnknownItemError, match="i0 Hamlet.*i1 Hamlet"):
            titles.find(text)


@pytest.mark.parametrize(
    "text", ["marnepoks mamar", "bacordu baba", "xgrihaljo grigri", "kumlismar kukum"]
)
def test_among_many_titles_a_mistake_finds_what_comparing_all_finds(many, text):
    expected = difflib.get_close_matches(text, many, 1)
    assert expected
    with pytest.raises(UnknownItemError, match=f"no item.*: i[0-9]+ {expected[0]}"):
        titles_of(*many).find(text)


def test_a_text_that_is_like_no_title_is_unknown(many):
    for text in ("", "z", "ffffffffffff", "f" * 200):
        with pytest.raises(UnknownItemError):
            titles_of(*many).find(text)
