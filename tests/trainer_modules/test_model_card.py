"""The card of a model as text: cards of other releases, and the entries on disk."""

import json

import pytest

from trainer_modules.model_card import ModelCard, from_json, to_json

TRAINED = {
    "model": "gmf",
    "parameters": 7,
    "config": {"embedding_dim": 8, "layers": [16, 8], "task": "retrieval"},
    "recipe": "gmf-0123456789ab",
    "fields": ["item_genres"],
    "split": {"kind": "temporal"},
    "warm_start": None,
    "from_scratch": None,
    "train_seconds": 1.5,
    "samples_per_second": 1e4,
    "epochs": 3,
    "share_of_users": 1.0,
    "events": {"view": 0.0, "buy": 4.0},
    "judged": ["buy"],
    "again_after": 604800,
    "context": {"fields": ["hour"], "timezone": "Europe/Berlin"},
    "rules": None,
}


@pytest.mark.parametrize(
    "entries", [{}, {"origin": "Trainer/7"}, {"origin": "m", "newest_span": "1"}]
)
def test_a_card_keeps_its_entries_and_their_order(entries):
    text = json.dumps(TRAINED | entries, indent=1)
    assert to_json(ModelCard(**TRAINED, **entries)) == text
    assert to_json(from_json(text)) == text


def test_a_card_of_an_older_release_has_defaults():
    text = '{"model": "gmf", "parameters": 7, "config": {}}'
    assert from_json(text) == ModelCard("gmf", 7, {})


def test_unknown_entries_are_ignored():
    pushed = {"pushed": "2026-11-21", "restored": None, "of_a_later_release": [1]}
    assert from_json(json.dumps(TRAINED | pushed)) == ModelCard(**TRAINED)


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"model": "gmf"}', '{"model": 1}', "not JSON"]
)
def test_what_is_not_a_card_is_an_error(text):
    with pytest.raises(ValueError, match=r"Expected|required|Expecting"):
        from_json(text)
