"""The likeliest mistakes: each message states what happened, where, and what to do."""

import gzip
from pathlib import Path

import pytest

RATINGS = "userId,movieId,rating,timestamp\n1,10,4.5,0\n1,20,3.0,86400\n2,10,1.0,9\n"
FILES = {
    "good.csv": RATINGS,
    "odd.csv": "who,what,stars\n1,10,4.5\n",
    "empty.csv": "",
    "header.csv": "userId,movieId,rating,timestamp\n",
    "binary.csv": bytes(range(256)) * 40,
    "cut.csv.gz": gzip.compress((RATINGS + "1,2,3,4\n" * 5000).encode())[:-20],
    "fake.zip": RATINGS,
    "fake.parquet": RATINGS,
    "untimed.csv": "userId,movieId,rating\n1,10,4.5\n1,20,3\n2,10,1\n",
    "bad.yaml": "split: {kind: temporal\n",
    "spans/2026-01-01/ratings.csv": RATINGS,
}
MISTAKES = {
    "no such file": (["data", "nowhere.csv"], 3, ["nowhere.csv", "ml-1m"]),
    "data set's name": (["data", "ml1m"], 3, ["'ml1m'", "Did you mean ml-1m?"]),
    "columns unknown": (["data", "odd.csv"], 3, ["odd.csv", "who", "data.columns"]),
    "column not there": (
        ["data", "good.csv", "--column", "user_id=member"],
        3,
        ["good.csv", "no column 'member'", "userId, movieId"],
    ),
    "column's name": (
        ["data", "good.csv", "--column", "usr=0"],
        2,
        ["--column", "did you mean 'user_id'?"],
    ),
    "empty file": (["data", "empty.csv"], 3, ["empty.csv", "is empty", "take"]),
    "only a header": (["data", "header.csv"], 3, ["header.csv", "has no rows"]),
    "binary file": (["data", "binary.csv"], 3, ["binary.csv", "not text", "Parquet"]),
    "folder without ratings": (["data", "folder"], 3, ["folder", "ratings.csv"]),
    "truncated gzip": (["data", "cut.csv.gz"], 3, ["cut.csv.gz", "cut short", "again"]),
    "no zip": (["data", "fake.zip"], 3, ["fake.zip", "damaged", "again"]),
    "no Parquet": (["data", "fake.parquet"], 3, ["fake.parquet", "again"]),
    "model's name": (["run", "--models", "neumff"], 2, ["did you mean 'neumf'?"]),
    "key": (["run", "--set", "splt.kind=random"], 2, ["did you mean 'split'?"]),
    "key of another section": (
        ["run", "--set", "split.max_history=9"],
        2,
        ["did you mean data.max_history?"],
    ),
    "key of another model": (
        ["run", "--set", "models.gmf.dropout_rate=0"],
        2,
        ["models.gmf has no 'dropout_rate'; expected one of tuned,"],
    ),
    "no equals sign": (["run", "--set", "split.kind"], 2, ["expected key=value"]),
    "wrong type": (
        ["run", "--set", "train.seed=much"],
        2,
        ["train.seed", "a whole number", "'much'"],
    ),
    "threshold": (
        ["run", "--set", "label.threshold=3"],
        2,
        ["label.threshold", "'> x'"],
    ),
    "labels all equal": (
        ["run", "--set", "label.threshold=all", "--models", "deepfm", "--set"]
        + ["models.deepfm.num_negatives=0"],
        2,
        ["deepfm", "none is disliked", "num_negatives"],
    ),
    "stars of drawn items": (
        ["run", "--models", "fm", "--set", "models.fm.loss=squared_error"],
        2,
        ["fm", "it learns stars", "models.fm.num_negatives=0"],
    ),
    "job server's address": (
        ["run", "--set", "beam.endpoint=localhost"],
        2,
        ["beam.endpoint", "host:port", "'localhost'"],
    ),
    "dataflow without a project": (
        ["run", "--set", "beam.runner=experimental-dataflow"],
        2,
        ["beam.project", "Dataflow needs it"],
    ),
    "dataflow without an image": (
        [
            *(
                "run",
                "--set",
                "beam.runner=experimental-dataflow",
                "--set",
                "beam.project=p",
            ),
            *("--set", "beam.region=r", "--set", "beam.temp_location=gs://b/t"),
        ],
        2,
        ["beam.image", "Dataflow needs it"],
    ),
    "dataflow from this machine": (
        [
            *(
                "run",
                "--set",
                "beam.runner=experimental-dataflow",
                "--set",
                "beam.project=p",
            ),
            *("--set", "beam.region=r", "--set", "beam.temp_location=gs://b/t"),
            *("--set", "beam.image=i"),
        ],
        2,
        ["beam.runner", "access marquee-out", "Cloud Storage"],
    ),
    "no YAML": (["run", "--config", "bad.yaml"], 2, ["bad.yaml:", "not YAML"]),
    "no such config": (["run", "--config", "no.yaml"], 2, ["no.yaml", "No such file"]),
    "unwritable folder": (
        ["run", "--data", "good.csv", "--out", "/proc/out"],
        2,
        ["cannot write to /proc/out", "--out"],
    ),
    "no run yet": (["show"], 2, ["no finished run", "marquee run", "--out"]),
    "nothing live": (["recommend", "--user", "42"], 2, ["No model is live", "run"]),
    "nothing to roll back to": (["rollback"], 2, ["marquee-out/live", "marquee run"]),
    "no whole span": (["retrain", "--data", "spans"], 3, ["spans", "_SUCCESS"]),
    "no folder of spans": (["retrain", "--data", "nowhere"], 3, ["nowhere", "spans"]),
    "cron": (["schedule", "--cron", "0 3 * *"], 2, ["4 fields", "0 3 * * *"]),
    "cron's range": (["schedule", "--cron", "99 3 * * *"], 2, ["99", "59"]),
    "schema in no folder": (
        ["schema", "propose", "good.csv", "--to", "nowhere/my.pbtxt"],
        2,
        ["nowhere/my.pbtxt", "No such file or directory"],
    ),
    "command": (["rn"], 2, ["'rn'", "'run'"]),
    "option": (["run", "--model", "neumf"], 2, ["--models"]),
    "option left out": (["recommend"], 2, ["--user"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_and_leaves_nothing(marquee, mistake):
    arguments, status, words = MISTAKES[mistake]
    for name, content in FILES.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    Path("folder").mkdir()
    before = sorted(Path().rglob("*"))
    told = marquee(*arguments)
    assert told.status == status
    for word in words:
        assert word in told.err
    assert "Traceback" not in told.err
    assert "\x00" not in told.err
    assert told.out == ""
    assert sorted(Path().rglob("*")) == before


def test_a_rollback_to_a_version_that_is_not_there(marquee, pushed):
    told = marquee("rollback", "9")
    assert (told.status, told.out) == (2, "")
    assert "available: 1, 2" in told.err
