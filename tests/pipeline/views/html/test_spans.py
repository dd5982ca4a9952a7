"""What a retraining's report shows about its spans, and the newest one's drift."""

import dataclasses
import html
import re

import pytest

from components.ratings_example_gen.spans import Overlap
from pipeline.runs.span_record import Distance, Drift, Spans
from pipeline.views.html.page import render

# A retraining's window, with all that may be odd about one.
SPANS = Spans(
    names=("2026-11-01", "2026-11-02", "2026-11-04"),
    new=("2026-11-02", "2026-11-04"),
    late=("2026-11-02",),
    too_late=("2026-09-30",),
    unfinished=("2026-11-05",),
    empty=("2026-10-31",),
    missing=("between 2026-11-02 and 2026-11-04",),
    gone=("2026-10-30",),
    fingerprints={},
    overlaps=(Overlap(("2026-11-01", "2026-11-02"), 1234),),
    drift=Drift(
        span="2026-11-04",
        live_span="2026-11-01",
        not_compared="",
        measured=[
            Distance(
                feature="rating",
                distance="JENSEN_SHANNON_DIVERGENCE",
                value=0.31234,
                threshold=0.1,
                is_drift=True,
            ),
            Distance(
                feature="user_id",
                distance="L_INFTY",
                value=0.02,
                threshold=0.05,
                is_drift=False,
            ),
        ],
    ),
)
ODD = ("late", "too_late", "unfinished", "empty", "missing", "gone", "overlaps")


@pytest.fixture
def told(contents, of_record):
    """A function: spans → the words of a part of the report, one space between."""

    def words(spans, part):
        text = render(of_record(contents, spans=spans))
        [inside] = re.findall(rf'<section id="{part}".*?</section>', text, re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", inside)).split())

    return words


def test_every_oddness_of_the_spans_is_told(told):
    assert (
        "Spans included 2026-11-01, 2026-11-02, 2026-11-04 "
        "new 2026-11-02, 2026-11-04 "
        "late 2026-11-02 "
        "too late 2026-09-30 "
        "unfinished 2026-11-05 "
        "empty 2026-10-31 "
        "missing between 2026-11-02 and 2026-11-04 "
        "gone 2026-10-30 "
        "overlap 1,234 ratings of 2026-11-01 occur in 2026-11-02 again; "
        "one of each is kept"
    ) in told(SPANS, "read")


def test_of_spans_in_order_nothing_odd_is_told(told):
    nothing = dict.fromkeys((*ODD, "new"), ())
    read = told(dataclasses.replace(SPANS, **nothing), "read")
    assert read.endswith("Spans included 2026-11-01, 2026-11-02, 2026-11-04")


def test_names_of_spans_are_inert(told, hostile):
    read = told(dataclasses.replace(SPANS, names=(hostile,)), "read")
    assert "included </script><script>alert(1)</script>\\u202e\\u2028<!--<img" in read


def test_drift_is_told_with_its_distances_and_what_is_allowed(told):
    assert told(SPANS, "changes").endswith(
        "Drift of the newest span "
        "Against span 2026-11-01, from which the live model learned "
        "feature distance measured allowed "
        "rating Jensen-Shannon divergence 0.3123 0.1 drift "
        "user_id largest difference of a value's share 0.0200 0.05 ✓"
    )


def test_why_drift_was_not_measured_is_told(told):
    drift = Drift(span="2", live_span="", not_compared="nothing is live", measured=[])
    assert told(dataclasses.replace(SPANS, drift=drift), "changes").endswith(
        "Drift of the newest span Not measured: nothing is live."
    )


@pytest.mark.parametrize("spans", [None, dataclasses.replace(SPANS, drift=None)])
def test_without_drift_there_is_no_word_of_it(told, spans):
    assert "rift" not in told(spans, "changes")


def test_data_that_are_no_spans_have_no_word_of_them(told):
    assert "Spans" not in told(None, "read")
