"""How well files of items and users fit, from what the steps wrote."""

import json

from pipeline.side_files import overlaps

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
