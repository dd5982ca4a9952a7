"""The settings are those of the run with which the live version was accepted."""

import json

import msgspec
import pytest

from components.live_models import push
from pipeline.config.online_section import OnlineConfig
from pipeline.config.sections import PipelineConfig
from pipeline.online.settings import settings_of
from tests.support.metadata_store import accept
from tests.support.run_record import write_record


def config(**online):
    return msgspec.to_builtins(PipelineConfig()) | {"online": online}


@pytest.fixture
def out(tmp_path):
    """Version 1 was accepted by run r1; a later run left nothing live."""
    out = tmp_path / "out"
    origin = accept(out, 9, run="r1")
    card = tmp_path / "model" / "assets.extra" / "marquee.json"
    card.parent.mkdir(parents=True)
    card.write_text(json.dumps({"model": "mf_als", "origin": origin}))
    push.push(tmp_path / "model", out / "live", keep=5)
    write_record(out, "r2", config=config(attribution_window="9h"))
    return out


def test_they_are_those_of_the_run_that_accepted_it(out):
    write_record(out, "r1", config=config(attribution_window="2h", conversions=["buy"]))
    assert settings_of(out) == (OnlineConfig("2h", ["buy"]), "")


def test_runs_of_earlier_releases_have_the_defaults(out):
    write_record(out, "r1", config={"out": "x"})
    assert settings_of(out) == (OnlineConfig(), "")


def test_what_is_missing_is_named_with_the_defaults(out, tmp_path):
    settings, problem = settings_of(out)
    assert settings == OnlineConfig()
    assert "no finished run 'r1'" in problem
    assert "No model is live" in settings_of(tmp_path / "other")[1]
