"""Runs on a fake API; tests/kubernetes uses the real one."""

import pytest

from kubeflow import submit
from kubeflow.submit import main


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(submit, "POLL_SECONDS", 0.01)


def run(state, **tasks):
    """Returns the API's answer about a run with states of tasks."""
    details = [
        {"display_name": name.replace("_", "-"), **({"state": s} if s else {})}
        for name, s in tasks.items()
    ]
    return {"state": state, "run_details": {"task_details": details}}


def test_a_run_on_a_fake_api_is_of_the_uploaded_version(fake, invoke, compiled):
    done = invoke(main, compiled(), "--namespace", "ml", "--no-wait")
    assert done.exit_code == 0
    [started], [version] = fake.runs, fake.made["versions"]
    assert started["pipeline_version_reference"] == {
        "pipeline_id": version["pipeline_id"],
        "pipeline_version_id": version["pipeline_version_id"],
    }
    assert started["service_account"] == "runner"
    assert f"marquee {version['display_name']}: run run-1\n" in done.output


def test_a_fake_api_gets_a_file_once(fake, invoke, compiled):
    fake.page = 1  # all pages are read
    for image in ("marquee:1", "marquee:2", "marquee:1", "marquee:2"):
        path = compiled(image=image)
        assert invoke(main, path, "--namespace", "ml", "--no-wait").exit_code == 0
    assert len(fake.made["pipelines"]) == 1
    assert len(fake.made["versions"]) == 2
    used = [r["pipeline_version_reference"]["pipeline_version_id"] for r in fake.runs]
    assert used == used[:2] * 2


def test_each_step_of_a_fake_run_is_shown_once_as_it_ends(fake, invoke, compiled):
    fake.answers = [
        {},
        {"state": "PENDING"},
        run("RUNNING", trainer_gmf="RUNNING", trainer_gmf_driver="SUCCEEDED"),
        run("RUNNING", trainer_gmf="SUCCEEDED", executor="SUCCEEDED"),
        run("SUCCEEDED", trainer_gmf="SUCCEEDED", pusher="SUCCEEDED"),
    ]
    done = invoke(main, compiled(), "--namespace", "ml")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1:] == [
        "trainer-gmf: succeeded",
        "pusher: succeeded",
        "The run: succeeded",
    ]


def test_a_failed_fake_run_names_what_failed_and_what_did_not_run(
    fake, invoke, compiled
):
    fake.answers = [run("FAILED", trainer_gmf="FAILED", pusher=None)]
    done = invoke(main, compiled(), "--namespace", "ml")
    assert done.exit_code == 6
    assert done.stdout.splitlines()[1:] == [
        "trainer-gmf: failed",
        "pusher: not run",
        "The run: failed",
    ]
    assert "kubectl --namespace ml logs" in done.stderr
    assert "pipeline/runid=run-1" in done.stderr


def test_a_fake_api_that_is_away_for_a_while_is_waited_for(fake, invoke, compiled):
    fake.answers = [503, 503, run("SUCCEEDED", trainer_gmf="SUCCEEDED")]
    done = invoke(main, compiled(), "--namespace", "ml")
    assert done.exit_code == 0
    assert done.stdout.endswith("The run: succeeded\n")


def test_a_fake_run_goes_on_when_nobody_watches_it_any_more(
    fake, invoke, compiled, monkeypatch
):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(submit.time, "sleep", interrupted)
    fake.answers = [run("RUNNING")]
    done = invoke(main, compiled(), "--namespace", "ml")
    assert done.exit_code == 130
    assert "the run goes on" in done.stderr
