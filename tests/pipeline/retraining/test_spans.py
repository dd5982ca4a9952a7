"""Which spans a retraining reads, and what it reports about them."""

import pytest

from components.ratings_example_gen.spans import SpansError
from pipeline.config.errors import ConfigError
from pipeline.retraining.spans import ChangedSpanError, TakenIn, plan


@pytest.fixture
def spans(tmp_path):
    """Writes spans, by default complete ones with a file of ratings."""
    folder = tmp_path / "spans"

    def write(*names, whole=True, text="u1,i1,4,1600000000\n"):
        for name in names:
            span = folder / name
            span.mkdir(parents=True, exist_ok=True)
            if text:
                (span / "ratings.csv").write_text(text)
            if whole:
                (span / "_SUCCESS").touch()
        return folder

    return write


def nothing():
    return TakenIn({})


def after(window):
    """Returns what is recorded after a retraining has used the window."""
    taken_in = nothing()
    taken_in.add(window, "settings", "run", "a new model is live")
    return taken_in


def test_at_first_every_span_is_new(spans):
    window = plan(spans("1", "2", "3"), "all", nothing())
    assert window.names == window.new == ("1", "2", "3")
    assert window.late == window.missing == window.gone == window.unfinished == ()


def test_only_what_came_since_is_new(spans):
    known = after(plan(spans("1", "2"), "all", nothing()))
    window = plan(spans("3"), "all", known)
    assert window.names == ("1", "2", "3")
    assert window.new == ("3",)


def test_the_window_has_the_newest_spans(spans):
    folder = spans("1", "2", "3", "10")
    assert plan(folder, "2 spans", nothing()).names == ("3", "10")
    assert plan(folder, "9 spans", nothing()).names == ("1", "2", "3", "10")


def test_days_are_counted_back_from_the_newest_span(spans):
    folder = spans("2026-10-31", "2026-11-01", "2026-11-07")
    assert plan(folder, "7 days", nothing()).names == ("2026-11-01", "2026-11-07")


def test_numbered_spans_have_no_days(spans):
    with pytest.raises(ConfigError, match=r"retrain\.window.*numbered"):
        plan(spans("1"), "7 days", nothing())


def test_a_late_span_is_taken_in_and_named(spans):
    known = after(plan(spans("1", "3", "4"), "all", nothing()))
    window = plan(spans("2", "5"), "all", known)
    assert window.names == ("1", "2", "3", "4", "5")
    assert window.new == ("2", "5")
    assert window.late == ("2",)


def test_a_late_span_from_before_the_window_is_not_taken_in(spans):
    known = after(plan(spans("2", "4", "5"), "all", nothing()))
    window = plan(spans("1", "3"), "2 spans", known)
    assert window.names == ("4", "5")
    assert window.new == window.late == ()
    assert window.too_late == ("3",)  # 1 is older than every window so far


def test_a_gap_is_measured_by_what_is_usual(spans):
    window = plan(
        spans("2026-01-01", "2026-02-01", "2026-03-01", "2026-05-01", "2026-06-01"),
        "all",
        nothing(),
    )
    assert len(window.missing) == 1
    assert "between 2026-03-01 and 2026-05-01 (61 days, usual is 31)" in window.missing


def test_months_of_different_lengths_are_no_gap(spans):
    names = [f"2026-{month:02}-01" for month in range(1, 13)]
    assert plan(spans(*names), "all", nothing()).missing == ()


def test_a_span_that_is_still_being_written_is_left_out(spans):
    spans("1", "2")
    window = plan(spans("3", whole=False), "all", nothing())
    assert window.names == ("1", "2")
    assert window.unfinished == ("3",)
    assert window.missing == ()  # it is there, only not whole


def test_with_no_whole_span_there_is_nothing_to_do(spans):
    with pytest.raises(SpansError, match="_SUCCESS"):
        plan(spans("1", whole=False), "all", nothing())


def test_an_empty_span_is_named_and_left_out(spans):
    spans("1", "3")
    window = plan(spans("2", text=""), "all", nothing())
    assert window.names == ("1", "3")
    assert window.empty == ("2",)


def test_an_old_span_that_changed_is_an_anomaly_until_it_is_accepted(spans):
    known = after(plan(spans("1", "2"), "all", nothing()))
    folder = spans("1", text="u1,i1,1,1600000000\n")
    with pytest.raises(ChangedSpanError, match="--accept 1"):
        plan(folder, "all", known)
    window = plan(folder, "all", known, ["1"])
    assert window.names == ("1", "2")
    assert plan(folder, "all", after(window)).names == ("1", "2")


def test_a_changed_span_outside_the_window_is_nobodys_business(spans):
    known = after(plan(spans("1", "2"), "all", nothing()))
    folder = spans("1", text="u1,i1,1,1600000000\n")
    assert plan(folder, "1 spans", known).names == ("2",)


def test_a_span_that_has_drifted_is_held_back_until_it_is_accepted(spans):
    known = after(plan(spans("1", "2"), "all", nothing()))
    known.held = {"3": plan(spans("3"), "1 spans", nothing()).fingerprints["3"]}
    assert plan(spans("3"), "1 spans", known).names == ("2",)
    window = plan(spans("4"), "all", known)
    assert (window.names, window.held) == (("1", "2", "4"), ("3",))
    assert window.missing == window.gone == ()

    accepted = plan(spans("4"), "all", known, ["3"])
    assert (accepted.names, accepted.held) == (("1", "2", "3", "4"), ())
    known.add(accepted, "settings", "run", "a new model is live")
    assert plan(spans("4"), "all", known).names == ("1", "2", "3", "4")


def test_a_held_span_whose_files_were_replaced_is_new(spans):
    known = after(plan(spans("1", "2"), "all", nothing()))
    known.held = {"3": plan(spans("3"), "1 spans", nothing()).fingerprints["3"]}
    window = plan(spans("3", text="u1,i1,1,1600000000\n"), "all", known)
    assert (window.names, window.new, window.held) == (("1", "2", "3"), ("3",), ())


def test_if_all_spans_are_held_back_they_are_named(spans):
    folder = spans("1")
    held = TakenIn({}, held=plan(folder, "all", nothing()).fingerprints)
    with pytest.raises(SpansError, match=r"held back.*--accept 1$"):
        plan(folder, "all", held)


def test_a_span_that_is_gone_is_named(spans, tmp_path):
    known = after(plan(spans("9", "10", "11"), "all", nothing()))
    folder = tmp_path / "spans"
    (folder / "10").rename(folder / "_10")
    assert plan(folder, "all", known).gone == ("10",)
    (folder / "9").rename(folder / "_9")
    assert plan(folder, "all", known).gone == ()  # both from before the window


def test_only_a_span_that_is_there_can_be_accepted(spans):
    with pytest.raises(SpansError, match="'7'"):
        plan(spans("1"), "all", nothing(), ["7"])


def test_what_was_taken_in_is_read_as_it_was_written(spans, tmp_path):
    known = after(plan(spans("1", "2"), "all", nothing()))
    known.held = {"3": "a hash"}
    known.write(tmp_path)
    assert TakenIn.read(tmp_path) == known
    assert TakenIn.read(tmp_path / "elsewhere") == nothing()


@pytest.mark.parametrize("text", ["{", "[]", '{"spans": 3, "last": {}}', "[" * 5000])
def test_a_broken_memory_is_no_empty_one(tmp_path, text):
    (tmp_path / "spans.json").write_text(text)
    with pytest.raises(SpansError, match="every span as new"):
        TakenIn.read(tmp_path)
