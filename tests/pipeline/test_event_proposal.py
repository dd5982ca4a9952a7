"""The proposed section events can be used as it is, and names what was found."""

import pytest

from components.ratings_example_gen import inspect
from pipeline.config.load import load_config
from pipeline.event_proposal import propose_events


def proposed(tmp_path, *types):
    """The configuration that is proposed for a log with these types, as it is read."""
    log, config = tmp_path / "log.csv", tmp_path / "proposed.yaml"
    rows = [f"u{number},i,{kind}" for number, kind in enumerate(types)]
    log.write_text("\n".join(["user_id,item_id,event", *rows]) + "\n")
    text = propose_events(inspect(log))
    if text is None:
        return None
    config.write_text(text)
    return load_config(config).events


def test_roles_and_the_goal_follow_from_names(tmp_path):
    events = proposed(tmp_path, "page_view", "skip", "addtocart", "Purchase", "skip")
    assert {name: kind.role for name, kind in events.types.items()} == {
        "page_view": "context",
        "skip": "negative",
        "addtocart": "positive",
        "Purchase": "positive",
    }
    assert events.judged == ["Purchase"]


@pytest.mark.parametrize(
    "types", [("view", "click"), ("1", "2"), ("yes", "no: #1"), ("true", "null x")]
)
def test_types_of_any_name_can_be_configured(tmp_path, types):
    events = proposed(tmp_path, *types)
    assert set(events.types) == set(types)
    assert {kind.role for kind in events.types.values()} == {"positive"}
    assert events.judged_types() == list(events.types)


@pytest.mark.parametrize("types", [("view", "view"), [f"t{n}" for n in range(31)]])
def test_a_single_type_and_other_values_are_not_proposed(tmp_path, types):
    assert proposed(tmp_path, *types) is None
