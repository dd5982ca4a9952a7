"""Pusher on artifacts: what a model needs to go live, and what is reported."""

import json

import pytest
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from components.live_models import rollback, trial, versions
from components.pusher.component import Pusher
from trainer_modules.model_card import ModelCard, write_card


def artifact(kind, folder, blessed=None):
    folder.mkdir(parents=True, exist_ok=True)
    made = kind()
    made.uri = str(folder)
    if blessed is not None:
        made.set_int_custom_property("blessed", blessed)
    return made


@pytest.fixture
def champion(tmp_path):
    """Returns Champion's output; an empty artifact if no model was chosen."""

    def make(origin=None):
        model = artifact(standard_artifacts.Model, tmp_path / f"champion_{origin}")
        if origin:
            serving = path_utils.serving_model_path(model.uri)
            write_card(serving, ModelCard("mf_als", 1, {}, origin=origin))
            (
                tmp_path / f"champion_{origin}" / "Format-Serving" / "saved_model.pb"
            ).touch()
        return model

    return make


@pytest.fixture
def push(tmp_path):
    """Runs the component: the PushedModel artifact."""

    def run(model, blessed=1, fit=1, keep_versions=5, judged_against=None, mode=None):
        if judged_against is None:
            judged_against = versions.live_number(tmp_path / "live")
        pushed = artifact(standard_artifacts.PushedModel, tmp_path / "pushed")
        blessing = artifact(
            standard_artifacts.ModelBlessing, tmp_path / "blessing", blessed
        )
        blessing.set_int_custom_property("live_version", judged_against)
        Pusher.test_call(
            model=model,
            blessing=blessing,
            infra_blessing=artifact(
                standard_artifacts.InfraBlessing, tmp_path / "infra", fit
            ),
            live_folder=str(tmp_path / "live"),
            keep_versions=keep_versions,
            delivery=json.dumps({"delivery": {"mode": mode or "at_once"}}),
            pushed_model=pushed,
        )
        return pushed

    return run


def test_a_blessed_model_goes_live(champion, push, tmp_path):
    pushed = push(champion("a"))
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_version") == "1"
    folder = tmp_path / "live" / "1"
    assert pushed.get_string_custom_property("pushed_destination") == str(folder)
    assert (folder / "saved_model.pb").is_file()
    versions.verify(folder)
    assert versions.live(tmp_path / "live").origin == "a"
    again = push(champion("b"))
    assert again.get_string_custom_property("pushed_version") == "2"
    assert versions.live(tmp_path / "live").origin == "b"


def test_what_was_rolled_back_meanwhile_is_not_pushed_over(champion, push, tmp_path):
    push(champion("a"))
    push(champion("b"))
    rollback.roll_back(tmp_path / "live", None)
    pushed = push(champion("c"), judged_against=2)
    assert pushed.get_int_custom_property("pushed") == 0
    told = json.loads((tmp_path / "pushed" / "pushed.json").read_text())
    assert told["version"] is None
    assert "version 3 is live by now" in told["overtaken"]
    assert "against version 2" in told["overtaken"]
    assert versions.live(tmp_path / "live").origin == "a"
    push(champion("c"), judged_against=3)
    told = json.loads((tmp_path / "pushed" / "pushed.json").read_text())
    assert told == {"version": 4, "overtaken": "", "is_trial": False}
    assert versions.live(tmp_path / "live").origin == "c"


@pytest.mark.parametrize(
    ("blessed", "fit"), [(0, 0), (0, 1), (1, 0), (None, 1), (1, None)]
)
def test_both_blessings_are_needed(champion, push, tmp_path, blessed, fit):
    push(champion("a"))
    pushed = push(champion("b"), blessed, fit)
    assert pushed.get_int_custom_property("pushed") == 0
    assert not pushed.get_string_custom_property("pushed_destination")
    assert not pushed.get_string_custom_property("pushed_version")
    assert [v.origin for v in versions.versions(tmp_path / "live")] == ["a"]


def test_where_nothing_was_chosen_nothing_is_pushed(champion, push, tmp_path):
    pushed = push(champion(), blessed=0, fit=0)
    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "live").exists()


def test_only_so_many_versions_stay(champion, push, tmp_path):
    for origin in "abcd":
        push(champion(origin), keep_versions=2)
    assert [v.origin for v in versions.versions(tmp_path / "live")] == ["c", "d"]


def test_a_model_goes_on_trial_if_there_is_one_to_compare_it_with(
    champion, push, tmp_path
):
    live = tmp_path / "live"
    push(champion("a"), mode="canary")
    assert versions.live_number(live) == 1  # nothing was live before
    pushed = push(champion("b"), mode="canary")
    assert versions.live_number(live) == 1
    assert trial.settled(live).trial.settings == {"delivery": {"mode": "canary"}}
    assert pushed.get_string_custom_property("pushed_version") == "2"
    result = json.loads((tmp_path / "pushed" / "pushed.json").read_text())
    assert result == {"version": 2, "overtaken": "", "is_trial": True}
    pushed = push(champion("c"), mode="canary", judged_against=1)
    assert pushed.get_int_custom_property("pushed") == 0
    result = json.loads((tmp_path / "pushed" / "pushed.json").read_text())
    assert "version 2 is on trial" in result["overtaken"]
    assert not result["is_trial"]
