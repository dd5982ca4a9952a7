"""A schedule that starts two runs, and a span that arrives in between."""

from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(3600)]
SPANS = ("1997-12-31", "1998-04-30")  # the last days of MovieLens 100K's halves
STEPS = ("ratingsexamplegen", "transform", "trainer-mf-als")


@pytest.fixture(scope="module")
def spans(tmp_path_factory):
    """MovieLens 100K in two spans, split by time."""
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
def story(applied, kubeflow, compiled, copy, folder, run_of, spans, webhook_messages):
    """The schedule is due every minute; an active run delays the next one."""
    copy(spans / SPANS[0], f"{folder}/spans/{SPANS[0]}")
    spec = compiled(
        "nightly",
        *("--data", f"{folder}/spans", "--spans", "--schedule", "* * * * *"),
        *("--models", "mf_als", "--set", "models.mf_als.embedding_dim=16"),
        *("--set", "retrain.drift=warn"),
        database="_nightly",
    )

    def schedule(*words: str) -> str:
        done = kubeflow("schedule", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fired(number: int):
        """Returns a run by its number; the controller names it after the schedule."""

        def found():
            mine = [
                w["metadata"]
                for w in applied.get("workflows")["items"]
                if w["metadata"]["name"].startswith("nightly")
            ]
            mine.sort(key=lambda metadata: metadata["creationTimestamp"])
            return mine[number - 1] if len(mine) >= number else None

        metadata = applied.until(found, 300, f"it did not fire {number} times")
        return run_of(metadata["labels"]["pipeline/runid"])

    made = SimpleNamespace(created=schedule("apply", str(spec)))
    made.unchanged = schedule("apply", str(spec))
    made.first = fired(1)
    # The span arrives after the first run has read the folder, before the second does.
    applied.until(
        lambda: made.first.phases().get("ratingsexamplegen") == "Succeeded",
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
    # Deleting the schedule deletes its runs.
    made.status = [run.workflow["status"] for run in (made.first, made.second)]
    made.logs = [{s: run.log(s) for s in STEPS} for run in (made.first, made.second)]
    made.deleted = schedule("delete", "nightly")
    made.listed_deleted = schedule("list")
    return made


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
