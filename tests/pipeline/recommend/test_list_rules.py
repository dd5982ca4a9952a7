"""Why a list is shorter than requested, in words."""

import pytest

from pipeline.recommend.list_rules import why_short
from pipeline.recommend.user_history import Without
from trainer_modules.configs.list_rules import Limit, Rules

LIMITED = Rules(limits=[Limit("genres", 1, 5)], deny=["i1"])


@pytest.mark.parametrize(
    ("rules", "without", "causes"),
    [
        (None, Without(), ""),
        (None, Without(items=["i2"]), "the excluded items, "),
        (LIMITED, Without(), "the limit on genres, the deny and allow lists, "),
        (
            LIMITED,
            Without(["i2"], ["genres=Drama"]),
            "the filter, the excluded items, the limit on genres, "
            "the deny and allow lists, ",
        ),
    ],
)
def test_all_that_may_have_left_out_items_is_named(rules, without, causes):
    assert why_short(rules, without, 2, 5) == (
        f"2 of 5 items; no other is left by {causes}the items that are not recommended "
        "again"
    )
    assert why_short(rules, without, 5, 5) == ""
