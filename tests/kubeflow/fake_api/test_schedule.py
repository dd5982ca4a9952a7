"""Schedules on a fake API; tests/kubernetes uses the real one."""

import pytest

from kubeflow.schedule import main

NIGHTLY = {"schedule": "0 3 * * *", "timezone": "Europe/Berlin"}


def test_apply_on_a_fake_api_creates_one_run_at_a_time_without_catch_up(
    fake, invoke, compiled
):
    done = invoke(main, "apply", compiled(**NIGHTLY), "--namespace", "ml")
    assert done.output == "nightly: created, 0 3 * * * Europe/Berlin\n"
    [run] = fake.made["recurringruns"]
    [version] = fake.made["versions"]
    assert run["display_name"] == "nightly"
    assert run["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"  # seconds first
    assert int(run["max_concurrency"]) == 1
    assert run["no_catchup"] is True
    assert run["mode"] == "ENABLE"
    assert run["service_account"] == "runner"
    assert run["pipeline_version_reference"] == {
        "pipeline_id": version["pipeline_id"],
        "pipeline_version_id": version["pipeline_version_id"],
    }
    assert compiled(**NIGHTLY).read_text() in version["file"]


def test_the_same_file_on_a_fake_api_changes_nothing(fake, invoke, compiled):
    invoke(main, "apply", compiled(**NIGHTLY), "--namespace", "ml")
    changes = list(fake.changes)
    done = invoke(main, "apply", compiled(**NIGHTLY), "--namespace", "ml")
    assert done.output == "nightly: unchanged, 0 3 * * * Europe/Berlin\n"
    assert fake.changes == changes


@pytest.mark.parametrize(
    "changes", [{"image": "marquee:2"}, {"schedule": "0 4 * * *"}, {"timezone": "UTC"}]
)
def test_on_a_fake_api_the_new_run_is_there_before_the_old_one_goes(
    fake, invoke, compiled, changes
):
    invoke(main, "apply", compiled(**NIGHTLY), "--namespace", "ml")
    [old] = fake.made["recurringruns"]
    done = invoke(main, "apply", compiled(**NIGHTLY | changes), "--namespace", "ml")
    assert "nightly: replaced" in done.output
    [new] = fake.made["recurringruns"]
    assert new["recurring_run_id"] != old["recurring_run_id"]
    assert fake.changes[-2:] == [
        "POST /recurringruns",
        f"DELETE /recurringruns/{old['recurring_run_id']}",
    ]


def test_on_a_fake_api_two_of_a_name_become_one(fake, invoke, compiled):
    for schedule in ("0 3 * * *", "0 4 * * *", "0 5 * * *"):
        fake.refusal = {"DELETE": "no"}
        invoke(main, "apply", compiled(schedule=schedule), "--namespace", "ml")
    assert len(fake.made["recurringruns"]) == 3
    fake.refusal = {}
    invoke(main, "apply", compiled(schedule="0 5 * * *"), "--namespace", "ml")
    [run] = fake.made["recurringruns"]
    assert run["trigger"]["cron_schedule"]["cron"] == "0 0 5 * * *"


def test_pause_resume_list_and_delete_on_a_fake_api(fake, invoke, compiled):
    fake.page = 1  # all pages are read
    for name in ("nightly", "weekly"):
        invoke(main, "apply", compiled(name, **NIGHTLY), "--namespace", "ml")
    assert invoke(main, "pause", "weekly").output == "weekly: paused\n"
    assert invoke(main, "list").output == (
        "nightly\t0 3 * * * Europe/Berlin\ton\n"
        "weekly\t0 3 * * * Europe/Berlin\tpaused\n"
    )
    assert invoke(main, "resume", "weekly").output == "weekly: resumed\n"
    assert invoke(main, "list").output.count("\ton\n") == 2
    assert invoke(main, "delete", "nightly").output == "nightly: deleted\n"
    assert invoke(main, "list").output == "weekly\t0 3 * * * Europe/Berlin\ton\n"


def test_a_paused_schedule_on_a_fake_api_goes_on_with_apply(fake, invoke, compiled):
    invoke(main, "apply", compiled(**NIGHTLY), "--namespace", "ml")
    invoke(main, "pause", "nightly")
    invoke(main, "apply", compiled(**NIGHTLY), "--namespace", "ml")
    assert "\ton\n" in invoke(main, "list").output
    assert len(fake.made["recurringruns"]) == 1


@pytest.mark.parametrize("command", ["pause", "resume", "delete"])
def test_on_a_fake_api_a_name_that_is_not_there_is_refused(
    fake, invoke, compiled, command
):
    invoke(main, "apply", compiled(**NIGHTLY), "--namespace", "ml")
    done = invoke(main, command, "nightli")
    assert done.exit_code == 2
    assert "no schedule 'nightli'; there are: nightly" in done.output
    assert len(fake.made["recurringruns"]) == 1


def test_a_file_without_a_schedule_is_refused_before_a_fake_api_is_changed(
    fake, invoke, compiled
):
    done = invoke(main, "apply", compiled(), "--namespace", "ml")
    assert done.exit_code == 2
    assert "has no schedule; compile it with runner.py --schedule" in done.output
    assert fake.changes == []


def test_what_a_fake_api_refuses_is_told_in_one_line(fake, invoke, compiled):
    fake.refusal = {"POST /recurringruns": "Invalid cron: 0 0 99 * * *\nStack trace"}
    done = invoke(main, "apply", compiled(schedule="0 99 * * *"), "--namespace", "ml")
    assert done.exit_code == 2
    [line] = done.output.splitlines()
    assert line.endswith(
        "Kubeflow Pipelines rejected the request: 400 Invalid cron: 0 0 99 * * *"
    )
