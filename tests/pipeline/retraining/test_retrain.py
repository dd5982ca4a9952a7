"""What a retraining records; the run is a stub (tests/e2e has the real one)."""

import functools
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from components.ratings_example_gen import BadInputError
from components.ratings_example_gen.spans import SpansError
from pipeline.config.load import load_config
from pipeline.retraining import retrain
from pipeline.runs import execute
from pipeline.runs.record import StepRecord
from pipeline.runs.status import Status
from tests.support.run_record import make_record


@pytest.fixture
def config(tmp_path):
    """Returns a configuration for two complete spans."""
    for name in ("1", "2"):
        span = tmp_path / "spans" / name
        span.mkdir(parents=True)
        (span / "ratings.csv").write_text("u1,i1,4,1600000000\n")
        (span / "_SUCCESS").touch()
    out = tmp_path / "out"
    out.mkdir()

    def loaded(*settings):
        flags = {
            "--data": ("data.source", str(tmp_path / "spans")),
            "--out": ("out", str(out)),
        }
        return load_config(None, settings, flags)

    return loaded


@pytest.fixture
def asked(monkeypatch):
    """A function: configuration, status → a retraining whose run ends so."""
    return functools.partial(ask, monkeypatch)


def ask(monkeypatch, config, status, failed=()):

    def executed(config, run_id, observer, window, layout, tunes):
        assert not tunes
        found = execute.recognised(config, Path(config.data.source), window.names)
        assert layout == found  # compared with earlier runs, and handed on
        usual = make_record("r1")
        return make_record(
            run=replace(usual.run, status=status),
            steps=[
                StepRecord(name=name, state="failed", seconds=1.0) for name in failed
            ],
            data=replace(usual.data, reading=layout.reading),
        )

    monkeypatch.setattr(execute, "execute", executed)
    window = retrain.plan(config, ())
    retrain.retrain(config, window, "r1", observer=None)


@pytest.mark.parametrize(
    ("status", "is_remembered"),
    [
        (Status.CHANGED, True),
        (Status.ON_TRIAL, True),
        (Status.UNCHANGED, True),
        (Status.REFUSED, True),
        (Status.BAD_INPUT, False),
        (Status.ANOMALIES, False),
        (Status.FAILED, False),
    ],
)
def test_a_verdict_is_remembered_and_a_stop_is_not(
    config, asked, status, is_remembered
):
    asked(config(), status)
    last = retrain.last_verdict(config(), retrain.plan(config(), ()))
    assert (last is not None) == is_remembered
    if last:
        assert (last.run, last.status) == ("r1", status)


def test_a_span_that_drift_stopped_is_held_back_unless_drift_is_a_warning(
    config, asked
):
    asked(config(), Status.ANOMALIES, ["DriftGate"])
    window = retrain.plan(config(), ())
    assert (window.names, window.held) == (("1",), ("2",))
    assert retrain.plan(config(), ("2",)).names == ("1", "2")
    assert retrain.plan(config("retrain.drift=warn"), ()).names == ("1", "2")


def test_a_span_with_other_anomalies_is_tried_again(config, asked):
    asked(config(), Status.ANOMALIES, ["AnomalyGate"])
    assert retrain.plan(config(), ()).names == ("1", "2")


def test_whether_drift_would_have_stopped_the_run_is_no_news(config, asked):
    asked(config("retrain.drift=warn"), Status.CHANGED)
    window = retrain.plan(config(), ())
    assert retrain.last_verdict(config(), window).run == "r1"


def test_other_settings_are_news(config, asked):
    asked(config(), Status.CHANGED)
    other = config("models.mf_als.embedding_dim=16")
    assert retrain.last_verdict(other, retrain.plan(other, ())) is None


def test_a_folder_that_was_moved_has_learned_the_same(config, asked, tmp_path):
    asked(config(), Status.CHANGED)
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    moved = msgspec.structs.replace(config(), out=str(tmp_path / "elsewhere"))
    assert retrain.last_verdict(moved, retrain.plan(moved, ())).run == "r1"


def test_a_new_span_is_news(config, asked, tmp_path):
    asked(config(), Status.REFUSED)
    span = tmp_path / "spans" / "3"
    span.mkdir()
    (span / "ratings.csv").write_text("u1,i2,4,1600000001\n")
    (span / "_SUCCESS").touch()
    window = retrain.plan(config(), ())
    assert window.new == ("3",)
    assert retrain.last_verdict(config(), window) is None


@pytest.mark.parametrize("source", ["ml-1m", "/nowhere"])
def test_what_is_no_folder_of_spans_is_refused(config, source):
    with pytest.raises(SpansError, match="not a folder of spans"):
        retrain.plan(load_config(None, [f"data.source={source}"]), ())


def test_a_later_span_is_not_read_differently_by_a_guess(config, asked, tmp_path):
    asked(config("retrain.window=1 spans"), Status.CHANGED)
    new = tmp_path / "spans" / "3"
    new.mkdir()
    (new / "ratings.csv").write_text("u1,i1,4,1600000000000\n")
    (new / "_SUCCESS").touch()
    with pytest.raises(BadInputError, match="read with s, these .* with ms") as caught:
        asked(config("retrain.window=1 spans"), Status.CHANGED)
    assert "set data.timestamp_unit" in str(caught.value)
    stated = config("retrain.window=1 spans", "data.timestamp_unit=ms")
    asked(stated, Status.CHANGED)


def test_a_record_of_before_readings_were_kept_is_read(config, asked):
    asked(config(), Status.CHANGED)
    path = Path(config().out, "spans.json")
    record = msgspec.json.decode(path.read_bytes())
    del record["reading"]
    path.write_bytes(msgspec.json.encode(record))
    asked(config(), Status.CHANGED)
