"""Columns whose kind a person sees at once."""

import pytest

from components.ratings_example_gen.dialect import Dialect
from components.ratings_example_gen.side_files.column_facts import ColumnFacts


def facts(values, name="item_x", **dialect):
    """The facts of a column; None is a missing value, a tuple several."""
    found = ColumnFacts(name, Dialect(**dialect))
    several = [v if isinstance(v, tuple) else (v,) for v in values if v is not None]
    found.add([list(map(str, row)) for row in several])
    found.add([[]] * sum(value is None for value in values))
    return found


PRICES = [round(0.99 + 1.37 * n, 2) for n in range(30)]


@pytest.mark.parametrize(
    ("values", "evidence"),
    [
        (PRICES, "30 different numbers from 0.99 to 40.72"),
        ([*PRICES, None, None], "30 different numbers from 0.99 to 40.72"),
        ([-n for n in range(30)], "30 different numbers from -29 to 0"),
        # Whole numbers that recur, but not often.
        ([n * 7 for n in range(30)] * 5, "30 different numbers from 0 to 203"),
        # Fractions are not codes, however often they recur.
        ([n / 4 for n in range(30)] * 100, "30 different numbers from 0 to 7.25"),
    ],
)
def test_quantities_are_numeric(values, evidence):
    assert facts(values).proposed_kind() == ("numeric", evidence)


@pytest.mark.parametrize(
    ("values", "evidence"),
    [
        (["red", "blue"], None),
        ([], None),
        ([None], None),
        ([*"abcdefghijklmnopqrstuvw", 1, 2], None),
        ([1, 2, 3], "only 3 different numbers"),
        ([*PRICES, "free"], "some values are not numbers, such as 'free'"),
        ([*PRICES, (1, 2)], "some rows have several numbers"),
        ([*PRICES, "inf"], "some values are not numbers, such as 'inf'"),
        (
            ["01234", *range(20000, 20030)],
            "some numbers begin with 0, such as '01234'",
        ),
        (range(1950, 2020), "whole numbers of 4 digits, as in years and codes"),
        ([*range(18, 70)] * 6, "each of 52 whole numbers recurs often"),
    ],
)
def test_codes_and_words_are_categories(values, evidence):
    assert facts(values).proposed_kind() == ("category", evidence)


@pytest.mark.parametrize("name", ["item_brand_id", "user_zip", "item_id"])
def test_the_name_of_a_code_decides(name):
    numbers = [n * 7 for n in range(30)]
    assert facts(numbers, name).proposed_kind() == (
        "category",
        "the name is that of codes",
    )
    assert facts(numbers, "item_valid").proposed_kind()[0] == "numeric"


def test_marks_of_numbers_are_those_of_the_text():
    texts = [f"1.{n:03},50" for n in range(30)]
    found = facts(texts, decimal=",", thousands=".")
    assert found.proposed_kind()[1] == "30 different numbers from 1000.5 to 1029.5"
    assert facts(texts).proposed_kind() == ("category", None)


@pytest.mark.parametrize(
    ("values", "oddity"),
    [
        ([None, None], "no row has a value"),
        (["EUR", "EUR"], "every row has 'EUR'"),
        ([("EUR", "EUR")], "every row has 'EUR'"),
        (["x"] * 4 + [None] * 996, "missing in 99.6% of the rows"),
        (["x"] * 995 + ["y"] * 5, "99.5% of the rows have 'x'"),
        (["x"] * 98 + ["y"] * 2, None),
        # Whether there is a value may matter.
        (["x"] * 50 + [None] * 50, None),
        (["x", "y"], None),
    ],
)
def test_columns_of_little_use(values, oddity):
    assert facts(values).oddity() == oddity


def test_different_texts_of_some_words_are_text():
    texts = [f"A chair number {n} of wood" for n in range(30)]
    evidence = "30 different texts of 6 words on average"
    assert facts([*texts, None]).proposed_kind() == ("text", evidence)
    # A part of a text that contains a separator is a text as well.
    assert facts([*texts, ("of steel and", "of more")]).proposed_kind()[0] == "text"
    # Texts that recur are categories, such as names of departments.
    assert facts(texts * 3).proposed_kind() == ("category", None)
    assert facts(texts[:20]).proposed_kind() == ("category", None)
    assert facts([f"Big chair {n}" for n in range(30)]).proposed_kind()[0] == "category"


def test_different_dates_are_times():
    days = [f"2020-11-{n:02}" for n in range(1, 31)]
    evidence = "30 different times from 2020-11-01 to 2020-11-30"
    assert facts([*days, None]).proposed_kind() == ("time", evidence)
    moments = [f"{day}T12:30:00+02:00" for day in days]
    assert facts(moments).proposed_kind()[0] == "time"
    assert facts(days[:20]).proposed_kind() == ("category", None)
    assert facts([*days, "soon"]).proposed_kind() == ("category", None)
    # Seconds since 1970 are shown, not guessed.
    seconds = [1_600_000_000 + 1000 * n for n in range(30)]
    evidence = "whole numbers of 10 digits, as in years and codes"
    assert facts(seconds).proposed_kind() == ("category", evidence)
