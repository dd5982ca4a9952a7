"""How well files of items and users fit, from what the steps wrote."""

import json

from components.ratings_example_gen.inspection import inspect_path
from pipeline.runs.side_file_fit import overlaps
from pipeline.views.terminal.side_files import describe_file, matched

COUNTS = {
    **{"users": 3, "users_file": "a/users.csv", "users_with_features": 2},
    **{"first_users_without": ["u3"], "users_repeated": 1},
}
CATALOGUE = {
    **{"file": "a/items.csv", "items": 12, "items_never_rated": 2, "repeated": 0},
    **{"items_without_features": 3, "first_without": ["7", "8", "9"]},
}


def test_both_files(tmp_path):
    (tmp_path / "counts.json").write_text(json.dumps(CATALOGUE))
    outputs = {("CatalogueGen", "catalogue"): str(tmp_path)}
    assert overlaps(outputs, COUNTS) == {
        "items_file": {
            **{"file": "a/items.csv", "rated": 10, "matched": 7, "repeated": 0},
            "first_missing": ["7", "8", "9"],
        },
        "users_file": {
            **{"file": "a/users.csv", "rated": 3, "matched": 2, "repeated": 1},
            "first_missing": ["u3"],
        },
    }


def test_no_files_and_no_steps(tmp_path):
    (tmp_path / "counts.json").write_text(json.dumps({**CATALOGUE, "file": None}))
    outputs = {("CatalogueGen", "catalogue"): str(tmp_path)}
    nothing = {"items_file": None, "users_file": None}
    assert overlaps(outputs, {**COUNTS, "users_file": None}) == nothing
    assert overlaps({}, {}) == nothing


def test_ids_that_differ_are_shown_from_both_sides(tmp_path):
    (tmp_path / "ratings.csv").write_text("user_id,item_id,rating\nu,0,1.1\nu,1,2\n")
    (tmp_path / "items.csv").write_text("item_id,colour\n0.0,red\n1.0,blue\n")
    items = inspect_path(tmp_path).items_file
    [_, line, *_] = describe_file("items", items)
    assert "0 of 2 rated items found in it (0%)" in line
    assert "'0', '1' in the ratings; of the file without ratings: '0.0'" in line


def test_without_rated_items_there_is_no_share():
    assert matched("items", 0, 0, []) == "there are no rated items to look for"
