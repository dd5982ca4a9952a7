"""How well files of items and users fit, from what the steps wrote."""

from msgspec.structs import replace

from components.ratings_example_gen import Settings
from components.ratings_example_gen.inspection import inspect_path
from pipeline.runs.record import SideFile
from pipeline.runs.side_file_fit import items_fit, users_fit
from pipeline.runs.step_outputs import CatalogueCounts, Counts
from pipeline.views.terminal.side_files import describe_file, matched
from trainer_modules.features import Kind

COUNTS = Counts(
    **{"users": 3, "items": 4, "read": 9, "kept": 9, "users_file": "a/users.csv"},
    **{"users_with_features": 2, "first_users_without": ["u3"], "users_repeated": 1},
)
CATALOGUE = CatalogueCounts(
    **{"file": "a/items.csv", "items": 12, "items_never_rated": 2, "repeated": 0},
    **{"items_without_features": 3, "first_without": ["7", "8", "9"]},
    items_first_rated_in_test=0,
)


def test_both_files():
    assert items_fit(CATALOGUE) == SideFile("a/items.csv", 10, 7, ["7", "8", "9"], 0)
    assert users_fit(COUNTS) == SideFile("a/users.csv", 3, 2, ["u3"], 1)


def test_no_files_and_no_steps():
    assert items_fit(replace(CATALOGUE, file=None)) is None
    assert users_fit(replace(COUNTS, users_file=None)) is None
    assert items_fit(None) is None
    assert users_fit(None) is None


def test_ids_that_differ_are_shown_from_both_sides(tmp_path):
    (tmp_path / "ratings.csv").write_text("user_id,item_id,rating\nu,0,1.1\nu,1,2\n")
    (tmp_path / "items.csv").write_text("item_id,colour\n0.0,red\n1.0,blue\n")
    items = inspect_path(tmp_path).items_file
    [_, line, *_] = describe_file("items", items)
    assert "0 of 2 rated items found in it (0%)" in line
    assert "'0', '1' in the ratings; of the file without ratings: '0.0'" in line


def test_without_rated_items_there_is_no_share():
    assert matched("items", 0, 0, []) == "there are no rated items to look for"


def test_kinds_and_columns_of_little_use_are_shown(tmp_path):
    (tmp_path / "ratings.csv").write_text("user_id,item_id,rating\nu,0,1.1\nu,1,2\n")
    rows = [f"{n},{n}.5,EUR" for n in range(30)]
    (tmp_path / "items.csv").write_text("\n".join(["item_id,price,currency", *rows]))
    proposed = list(describe_file("items", inspect_path(tmp_path).items_file))
    assert proposed[-2:] == [
        "item_price: numeric in a proposed schema; "
        "30 different numbers from 0.5 to 29.5",
        "item_currency is of little use: every row has 'EUR'",
    ]
    settings = Settings(kinds={"item_price": Kind("numeric", 10)})
    declared = describe_file("items", inspect_path(tmp_path, settings).items_file)
    assert list(declared)[-2] == "item_price: numeric, as the schema declares"
