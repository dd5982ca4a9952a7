"""What a retraining remembers; the run is a stub here (tests/e2e has the real one)."""

import msgspec
import pytest

from components.ratings_example_gen.spans import SpansError
from pipeline import retraining, runs
from pipeline.config import load_config


@pytest.fixture
def config(tmp_path):
    """A configuration for two whole spans."""
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


def asked(config, monkeypatch, status):
    """One retraining with a stub in place of the run, which ends in a status."""
    monkeypatch.setattr(
        runs, "execute", lambda *_: {"run": {"id": "r1", "status": status}}
    )
    window = retraining.plan(config, ())
    retraining.retrain(config, window, "r1", observer=None)


@pytest.mark.parametrize(
    ("status", "is_remembered"),
    [
        (runs.CHANGED, True),
        (runs.UNCHANGED, True),
        (runs.REFUSED, True),
        (runs.BAD_INPUT, False),
        (runs.ANOMALIES, False),
        (runs.FAILED, False),
    ],
)
def test_a_verdict_is_remembered_and_a_stop_is_not(
    config, monkeypatch, status, is_remembered
):
    asked(config(), monkeypatch, status)
    last = retraining.last_verdict(config(), retraining.plan(config(), ()))
    assert (last is not None) == is_remembered
    if last:
        assert (last["run"], last["status"]) == ("r1", status)


def test_other_settings_are_news(config, monkeypatch):
    asked(config(), monkeypatch, runs.CHANGED)
    other = config("models.mf_als.embedding_dim=16")
    assert retraining.last_verdict(other, retraining.plan(other, ())) is None


def test_a_folder_that_was_moved_has_learned_the_same(config, monkeypatch, tmp_path):
    asked(config(), monkeypatch, runs.CHANGED)
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    moved = msgspec.structs.replace(config(), out=str(tmp_path / "elsewhere"))
    assert retraining.last_verdict(moved, retraining.plan(moved, ()))["run"] == "r1"


def test_a_new_span_is_news(config, monkeypatch, tmp_path):
    asked(config(), monkeypatch, runs.REFUSED)
    span = tmp_path / "spans" / "3"
    span.mkdir()
    (span / "ratings.csv").write_text("u1,i2,4,1600000001\n")
    (span / "_SUCCESS").touch()
    window = retraining.plan(config(), ())
    assert window.new == ("3",)
    assert retraining.last_verdict(config(), window) is None


@pytest.mark.parametrize("source", ["ml-1m", "/nowhere"])
def test_what_is_no_folder_of_spans_is_refused(config, source):
    with pytest.raises(SpansError, match="no folder of spans"):
        retraining.plan(load_config(None, [f"data.source={source}"]), ())
