"""Schedules, up to what only Kubeflow Pipelines' API can answer (tests/kubernetes)."""

import pytest

from kubeflow.schedule import ScheduleError, apply, seconds_first


@pytest.mark.parametrize(
    ("cron", "expected"),
    [("0 3 * * *", "0 0 3 * * *"), ("*/5 8-18 * * 1-5", "0 */5 8-18 * * 1-5")],
)
def test_kubeflow_counts_seconds_too(cron, expected):
    assert seconds_first(cron) == expected


def test_kubeflow_knows_no_day_7():
    with pytest.raises(ScheduleError, match="Sunday is 0"):
        seconds_first("0 3 * * 7")


def test_a_file_without_a_time_is_refused_before_anything_is_asked(tmp_path):
    path = tmp_path / "marquee.yaml"
    path.write_text("metadata: {annotations: {}}\n")
    with pytest.raises(ScheduleError, match="runner.py --schedule"):
        apply(None, path, "nightly")
