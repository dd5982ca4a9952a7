"""When a retraining tunes its models first, by hand-made histories."""

import pytest
from msgspec.structs import replace

from pipeline.config.errors import ConfigError
from pipeline.config.load import load_config
from pipeline.retraining.tuning import LastTuning, after, reason_to_tune
from tests.support.run_record import make_record


def config(*settings):
    return load_config(None, ("models.mf_als.tuned=auto", *settings))


def record(popularity, live, verdict="live"):
    """A run whose live model and popularity have these values of the gate's metric."""
    usual = make_record("r1")
    [first, *_] = usual.models
    metric = usual.gate.metric
    models = [
        replace(
            first, name="popularity", verdict="reference", metrics={metric: popularity}
        ),
        replace(first, name="mf_als", verdict=verdict, metrics={metric: live}),
    ]
    return replace(usual, models=models)


def test_without_the_settings_nothing_is_tuned():
    assert reason_to_tune(config(), None) == ""
    assert reason_to_tune(config(), LastTuning(99, 0.5, 0.0)) == ""


def test_every_third_retraining_tunes_from_the_first_on():
    every = config("retrain.tune_every=3")
    last, tuned = None, []
    for night in range(8):
        reason = reason_to_tune(every, last)
        if reason:
            tuned.append(night)
        last = after(last, record(0.1, 0.2), bool(reason))
    assert tuned == [0, 3, 6]


def test_a_margin_that_shrinks_tunes():
    below = config("retrain.tune_below=0.5")
    last = after(None, record(0.1, 0.2), has_tuned=True)
    last = after(last, record(0.1, 0.16), has_tuned=False)  # margin .06 of .1
    assert reason_to_tune(below, last) == ""
    last = after(last, record(0.1, 0.14), has_tuned=False)
    assert reason_to_tune(below, last) == (
        "the live model's margin over popularity was 0.0400, below 0.5 of the 0.1000 "
        "after the last tuning"
    )


def test_a_margin_that_was_not_measured_does_not_tune():
    below = config("retrain.tune_below=1")
    nothing_live = record(0.1, 0.2, verdict="rejected")
    nothing_live = replace(nothing_live, gate=replace(nothing_live.gate, live=None))
    last = after(after(None, record(0.1, 0.2), True), nothing_live, False)
    assert last == LastTuning(2, pytest.approx(0.1), None, last.metric)
    assert reason_to_tune(below, last) == ""


def test_if_nothing_was_live_after_a_tuning_the_first_margin_since_is_compared():
    below = config("retrain.tune_below=0.5")
    nothing_live = record(0.1, 0.2, verdict="rejected")
    nothing_live = replace(nothing_live, gate=replace(nothing_live.gate, live=None))
    last = after(None, nothing_live, has_tuned=True)
    last = after(last, record(0.1, 0.2), has_tuned=False)
    assert reason_to_tune(below, last) == ""
    last = after(last, record(0.1, 0.12), has_tuned=False)
    assert "was 0.0200, below 0.5 of the 0.1000" in reason_to_tune(below, last)


def test_a_margin_that_was_not_above_0_cannot_shrink():
    below = config("retrain.tune_below=0.8")
    last = after(None, record(0.1, 0.09), has_tuned=True)
    last = after(last, record(0.1, 0.09), has_tuned=False)
    assert reason_to_tune(below, last) == ""


def test_margins_of_another_metric_are_not_compared():
    below = config("retrain.tune_below=0.8")
    last = after(None, record(0.1, 0.2), has_tuned=True)
    other = record(0.1, 0.14)
    name = "mrr"
    models = [
        replace(model, metrics={name: value})
        for model in other.models
        for value in model.metrics.values()
    ]
    other = replace(other, models=models, gate=replace(other.gate, metric=name))
    assert last.metric != name
    last = after(last, other, has_tuned=False)
    assert reason_to_tune(below, last) == ""
    assert last.margin_then == pytest.approx(0.04)


def test_a_tuning_that_no_model_takes_is_refused():
    with pytest.raises(ConfigError, match="no model takes the settings"):
        reason_to_tune(load_config(None, ("retrain.tune_every=3",)), None)
