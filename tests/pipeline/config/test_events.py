"""The section events: what is valid, and what each mistake is called."""

import pytest

from pipeline.config.data_settings import data_settings
from pipeline.config.errors import ConfigError
from pipeline.config.load import load_config

SHOP = """
events:
  types:
    view: {weight: 9, role: context}
    addtocart: {weight: 2}
    transaction: {weight: 4.5, role: positive}
    skip: {role: negative}
  judged: [transaction]
"""


def load(tmp_path, text, *settings):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load_config(path, settings)


def test_weights_become_ratings(tmp_path):
    config = load(tmp_path, SHOP)
    events = data_settings(config).events
    assert events.weights == {
        "view": 0.0,
        "addtocart": 2.0,
        "transaction": 4.5,
        "skip": -1.0,
    }
    assert events.judged == ("transaction",)
    assert (config.label.threshold, config.label.negative) == ("> 0", "< 0")
    assert "auc" not in config.gate.floors  # no disliked event is judged


def test_without_judged_all_but_context_are(tmp_path):
    config = load(tmp_path, SHOP.replace("  judged: [transaction]\n", ""))
    assert config.events.judged_types() == ["addtocart", "transaction", "skip"]
    assert "auc" in config.gate.floors


def test_a_weight_on_the_command_line(tmp_path):
    config = load(tmp_path, SHOP, "events.types.addtocart.weight=3")
    assert config.events.types["addtocart"].rating == 3
    assert config.events.types["transaction"].rating == 4.5


def test_without_types_nothing_changes():
    assert data_settings(load_config(None)).events is None


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ("{buy: {weight: much}}", "buy.weight: expected a number above 0, got 'much'"),
        ("{buy: {weight: 0}}", "buy.weight: expected a number above 0, got 0"),
        ("{buy: {weight: -1}}", "buy.weight: expected a number above 0, got -1"),
        ("{buy: {weight: .nan}}", "buy.weight: expected a number above 0, got nan"),
        ("{buy: {weight: .inf}}", "buy.weight: expected a number above 0, got inf"),
        ("{buy: {wieght: 1}}", "has no 'wieght'; did you mean 'weight'?"),
        ("{buy: {role: good}}", "expected one of positive, negative, context"),
        ("{buy: 3}", "events.types.buy: expected the keys role, weight; got 3"),
        ("[buy]", "events.types: expected a mapping; got the list ['buy']"),
        ("{view: {role: context}}", "no type with the role positive is judged"),
        ("{skip: {role: negative}}", "no type with the role positive is judged"),
    ],
)
def test_mistakes_in_types(tmp_path, types, message):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, f"events: {{types: {types}}}")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("events.judged=[transactions]", "did you mean 'transaction'?"),
        ("events.judged=[view]", "the role of 'view' is context"),
        ("events.judged=[skip]", "no type with the role positive is judged"),
        ("label.threshold=all", "events.types decides what is liked"),
        ("label.negative=< 1", "events.types decides what is liked"),
        ("data.columns.rating=stars", "the weights in events.types are the ratings"),
        ("data.columns.event_type=none", "events.types needs this column"),
        ("gate.floors.auc=0.5", "auc compares liked with disliked ratings"),
        ("models.mf_sgd={}", "models.mf_sgd: it learns stars, and events have none"),
        (
            "models.deepfm={num_negatives: 0}",
            "no judged type of events.types has the role negative",
        ),
    ],
)
def test_settings_that_do_not_fit(tmp_path, more, message):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, SHOP, more)
    assert message in str(error.value)


def test_counting_needs_weights(tmp_path):
    assert load(tmp_path, SHOP, "data.repeats=count").data.repeats == "count"
    with pytest.raises(ConfigError, match="it adds up the weights of events"):
        load(tmp_path, "data: {repeats: count}")


def test_judged_without_types(tmp_path):
    with pytest.raises(ConfigError, match="'buy' is not among events.types"):
        load(tmp_path, "events: {judged: [buy]}")


def test_a_rule_of_the_gate_is_for_a_judged_type(tmp_path):
    rule = "gate.max_loss_by_event={transaction: 0}"
    assert load(tmp_path, SHOP, rule).gate.max_loss_by_event == {"transaction": 0}
    with pytest.raises(ConfigError, match="'cart' is not a judged type of events; ch"):
        load(tmp_path, SHOP, "gate.max_loss_by_event={cart: 0}")
    with pytest.raises(ConfigError, match="there are none"):
        load(tmp_path, "gate: {max_loss_by_event: {transaction: 0}}")
    with pytest.raises(ConfigError, match="auc compares liked with disliked events"):
        load(
            tmp_path,
            SHOP,
            "events.judged=[transaction, skip]",
            "gate.metric=auc",
            rule,
        )
