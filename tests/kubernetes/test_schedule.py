"""A schedule that fires twice, and a span that comes in between."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(3600)]
ROOT = Path(__file__).parents[2]
SPANS = ("1997-12-31", "1998-04-30")  # the days that MovieLens 100K's halves end with
STEPS = ("ratingsexamplegen", "transform", "trainer-mf-als")


@pytest.fixture(scope="module")
def spans(tmp_path_factory):
    """MovieLens 100K in two spans, by time."""
    from pipeline import datasets

    ratings = datasets.resolve("ml-100k", lambda *_: None).folder / "u.data"
    lines = sorted(
        ratings.read_text().splitlines(), key=lambda line: int(line.split("\t")[3])
    )
    folder = tmp_path_factory.mktemp("spans")
    half = len(lines) // 2
    for name, part in zip(SPANS, (lines[:half], lines[half:]), strict=True):
        rows = ["user_id,item_id,rating,timestamp"]
        rows += [",".join(line.split("\t")) for line in part]
        folder.joinpath(name).mkdir()
        folder.joinpath(name, "ratings.csv").write_text("\n".join(rows) + "\n")
        folder.joinpath(name, "_SUCCESS").touch()
    return folder


@pytest.fixture(scope="module")
def story(applied, client, compiled, copy, folder, run_of, spans, told):
    """The clock fires every minute; a run that goes on keeps the next one waiting."""
    copy(spans / SPANS[0], f"{folder}/spans/{SPANS[0]}")
    workflow = compiled(
        "nightly",
        *("--spans", "--schedule", "* * * * *", "--models", "mf_als"),
        *("--set", "models.mf_als.embedding_dim=16", "--set", "retrain.drift=warn"),
        data=f"{folder}/spans",
        live_folder=f"{folder}/live-of-schedule",
        metadata={"host": "mysql", "database": f"nightly_{folder[14:]}"},
    )

    def schedule(*words: str) -> str:
        with applied.forwarded("ml-pipeline", 8888) as port:
            host = ["--host", f"http://127.0.0.1:{port}"]
            done = subprocess.run(
                [sys.executable, "kubeflow/schedule.py", *host, *words],
                cwd=ROOT,
                capture_output=True,
                text=True,
            )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def runs() -> list:
        experiment = client.get_experiment(experiment_name="marquee").id
        found = client.list_runs(
            page_size=50, sort_by="created_at asc", experiment_id=experiment
        )
        return [run for run in found.runs or [] if run.name.startswith("nightly")]

    before = {run.id for run in runs()} if _has_experiment(client) else set()

    def fired(number: int):
        def found():
            mine = [run for run in runs() if run.id not in before]
            return run_of(mine[number - 1].id) if len(mine) >= number else None

        run = applied.until(found, 300, f"the schedule did not fire {number} times")
        applied.until(lambda: run.name, 60, "no workflow")
        return run

    made = SimpleNamespace(created=schedule("apply", str(workflow)))
    made.unchanged = schedule("apply", str(workflow))
    made.first = fired(1)
    # It comes in once the first run has looked, and before a second one can.
    applied.until(
        lambda: (
            made.first.steps().get("ratingsexamplegen", {}).get("phase") == "Succeeded"
        ),
        900,
        "RatingsExampleGen does not end",
    )
    copy(spans / SPANS[1], f"{folder}/spans/{SPANS[1]}")
    made.first_phase = made.first.ended()
    made.second = fired(2)
    made.listed = schedule("list")
    made.paused = schedule("pause", "nightly")
    made.listed_paused = schedule("list")
    made.second_phase = made.second.ended()
    # With the schedule go its runs.
    made.status = [run.workflow["status"] for run in (made.first, made.second)]
    made.logs = [{s: run.log(s) for s in STEPS} for run in (made.first, made.second)]
    made.deleted = schedule("delete", "nightly")
    made.listed_deleted = schedule("list")
    return made


def _has_experiment(client) -> bool:
    return "marquee" in {
        e.name for e in client.list_experiments(page_size=50).experiments or []
    }


def test_a_schedule_is_made_once_and_can_be_seen_paused_and_removed(story):
    assert story.created.startswith("nightly: created")
    assert story.unchanged.startswith("nightly: unchanged")
    assert "nightly\t* * * * * UTC\ton" in story.listed
    assert "paused" in story.listed_paused
    assert "nightly" not in story.listed_deleted


def test_it_fires_twice_one_run_at_a_time(story):
    assert (story.first_phase, story.second_phase) == ("Succeeded", "Succeeded")
    first, second = story.status
    assert second["startedAt"] >= first["finishedAt"]


def test_the_second_run_takes_the_new_span_in_and_retrains(story):
    first, second = story.logs
    for step in STEPS:
        assert ": done" in second[step]
    assert SPANS[1] not in first["ratingsexamplegen"]
    assert SPANS[1] in second["ratingsexamplegen"]
