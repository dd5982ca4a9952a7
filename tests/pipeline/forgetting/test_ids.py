"""IDs in texts, in the forms in which logs and JSON have them."""

import json

import pytest

from pipeline.forgetting.ids import Ids


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user 42.", "user (forgotten)."),
        ("line 3: '42,i1,x'", "line 3: '(forgotten),i1,x'"),
        ("142 429 a42 42b _42 4-42 42-4", None),
        ('"text": "a\\n42,i1"', '"text": "a\\n(forgotten),i1"'),
        ("42 and i9", "(forgotten) and (forgotten)"),
        ("", None),
    ],
)
def test_ids_are_words(text, expected):
    ids = Ids(frozenset({"42"}), frozenset({"i9"}))
    assert ids.are_in(text) == (expected is not None)
    assert ids.replaced(text) == (expected or text)


def test_an_id_is_found_as_json_and_html_have_it():
    ids = Ids(frozenset({'Zoë "Z" <z>'}))
    assert ids.are_in(json.dumps(['Zoë "Z" <z>']))
    assert ids.are_in(json.dumps(['Zoë "Z" <z>'], ensure_ascii=False))
    assert ids.are_in("<td>Zoë &quot;Z&quot; &lt;z&gt;</td>")
    assert not ids.are_in("Zoë")


def test_numbers_of_json_stay_and_texts_and_keys_do_not():
    ids = Ids(frozenset({"42"}))
    value = {"users": 42, "42": [42, "42", {"first": "42, i1", "none": None}]}
    assert ids.replaced_in(value) == {
        "users": 42,
        "(forgotten)": [
            42,
            "(forgotten)",
            {"first": "(forgotten), i1", "none": None},
        ],
    }
