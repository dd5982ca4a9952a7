import importlib
import json
import logging
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from absl import flags

from components.live_models import versions
from pipeline import exit_codes
from pipeline.cli import command
from pipeline.config.errors import ConfigError
from pipeline.retraining import scheduler as schedule
from pipeline.runs import execute, finished_runs, lock
from pipeline.runs.status import Status
from pipeline.views import html
from tests.support.run_record import write_record
from trainer_modules.registry import MODELS

README = Path(__file__).parents[3] / "README.md"


@pytest.fixture
def runs(monkeypatch):
    """Stands in for a run, without TFX, and records the calls."""
    fake = SimpleNamespace(
        executed=[], raised=None, status=Status.CHANGED, reported=[], no_report=None
    )

    def run(config, run_id, observer):
        fake.executed.append((config, run_id))
        observer.steps(["Transform"])
        observer.started("Transform")
        print("chatter of Python")
        os.write(2, b"chatter of C++\n")
        logging.getLogger("tfx").info("chatter of TFX")
        if fake.raised is not None:
            raise fake.raised
        observer.ended(SimpleNamespace(name="Transform", state="done", seconds=1.0,
                                       error=None))  # fmt: skip
        out = Path(config.out)
        usual = write_record(out, run_id)
        about = msgspec.structs.replace(usual.run, status=fake.status)
        write_record(out, run_id, run=about)
        return finished_runs.read(out, run_id)

    def write(out, run_id):
        fake.reported.append((out, run_id))
        if fake.no_report is not None:
            raise fake.no_report
        path = html.path_of(out, run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    monkeypatch.setattr(execute, "execute", run)
    monkeypatch.setattr(html, "write", write)
    return fake


@pytest.fixture
def newest():
    """A finished run in the default output folder."""
    model = write_record(Path("marquee-out")).models[0]
    metrics = {"auc": math.nan, "ndcg@10": 0.1}
    judged = [msgspec.structs.replace(model, metrics=metrics)]
    return write_record(Path("marquee-out"), models=judged)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["schedule", "--help"], ["models"]]
)
def test_help_and_models_answer_at_once(arguments):
    code = (
        "import sys\n"
        "from pipeline.cli import main\n"
        f"try: main({arguments!r}, prog_name='marquee')\n"
        "finally: print(sorted(m for m in sys.modules if '.' not in m))\n"
    )
    seconds = []
    for _ in range(3):  # the best of three: other tests share the cores
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        seconds.append(time.monotonic() - started)
    assert min(seconds) < 1
    loaded = set(re.findall(r"'(\w+)'", done.stdout.splitlines()[-1]))
    assert "click" in loaded
    assert not loaded & {"tensorflow", "tfx", "apache_beam", "pyarrow", "numpy"}


def test_help_names_every_command_and_exit_status(marquee):
    shown = marquee("--help")
    assert shown.status == 0
    for name in (
        *("batch", "compare", "data", "doctor", "lineage", "models", "recommend"),
        *("report", "retrain", "rollback", "run", "schedule", "schema", "serve"),
        *("show", "similar", "tune", "versions"),
    ):
        assert f"\n  {name} " in shown.out
    assert re.findall(r"^ +(\d)  ", shown.out, re.MULTILINE) == list("01234567")
    assert not re.search(r"\w\.\.\.$", shown.out, re.MULTILINE)  # nothing is cut


def test_the_readme_has_every_exit_status_but_the_unexpected():
    table = re.findall(r"^\| (\d) \| .+ \|$", README.read_text(), re.MULTILINE)
    assert list(map(int, table)) == sorted(
        exit_codes.MEANINGS.keys() - {exit_codes.UNEXPECTED}
    )


def test_models_lists_name_task_settings_and_paper(marquee):
    shown = marquee("models")
    words = " ".join(shown.out.split())
    for spec in MODELS.values():
        for told in (spec.name, spec.task, spec.summary, spec.paper):
            assert told in words
    assert "num_negatives=4" in words


def test_a_run_prints_its_steps_and_what_came_of_it(marquee, runs):
    done = marquee("run")
    assert done.status == 0
    assert "✓ Transform  done" in done.out
    assert "mf_als is live, new in this run" in done.out
    assert "chatter" not in done.out + done.err
    [log] = Path("marquee-out/runs").glob("*/run.log")
    assert log.parent.name == runs.executed[0][1]
    assert re.fullmatch(r"\d{8}-\d{6}", log.parent.name)
    for speaker in ("Python", "C++", "TFX"):
        assert f"chatter of {speaker}\n" in log.read_text()


def test_show_prints_what_the_run_printed_at_its_end(marquee, runs):
    ran, shown = marquee("run"), marquee("show")
    assert shown.status == 0
    assert len(shown.out) > 200
    assert ran.out.endswith(shown.out)


def test_show_json_is_one_object_without_nan(marquee, newest):
    shown = marquee("show", "20261122-031500", "--json")

    def no_constant(name):
        raise AssertionError(f"{name} is not JSON")

    printed = json.loads(shown.out, parse_constant=no_constant)
    metrics = printed["models"][0].pop("metrics")
    assert metrics == {"auc": None, "ndcg@10": 0.1}
    assert printed["live"] == {"version": "1", "model": "mf_als"}


def test_showing_a_run_that_is_not_there(marquee, newest):
    shown = marquee("show", "nothing")
    assert (shown.status, shown.out) == (2, "")
    assert shown.err == (
        "No such run\n    There is no finished run 'nothing' in marquee-out. "
        "The newest are 20261122-031500\n"
    )


def test_flags_count_more_than_settings_and_those_more_than_the_file(marquee, runs):
    Path("mine.yaml").write_text(
        "data: {source: file.csv, max_history: 7}\nout: from-file\n"
        "train: {seed: 1}\nmodels: {neumf: {epochs: 2}, mf_als: {}}\n"
    )
    marquee(
        *("run", "--config", "mine.yaml", "--set", "train.seed=2"),
        *("--set", "data.source=set.csv", "--data", "flag.csv", "--models", "neumf"),
        *("--out", "from-flag"),
    )
    [(config, _)] = runs.executed
    assert config.data.source == "flag.csv"
    assert config.data.max_history == 7
    assert config.train.seed == 2
    assert config.models == {"popularity": {}, "neumf": {"epochs": 2}}
    assert config.out == "from-flag"
    assert Path("from-flag/runs").is_dir()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "split.kynd=random"], "--set split.kynd: split has no 'kynd'; did"),
        (["--models", "neumff"], "--models: no model 'neumff'; did you mean 'neumf'?"),
        (["--config", "no.yaml"], "no.yaml: cannot be read: No such file"),
        (["--data", ""], "--data data.source: expected text"),
    ],
)
def test_a_bad_configuration_starts_nothing(marquee, runs, arguments, told):
    done = marquee("run", *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("Bad configuration\n    ")
    assert told in done.err
    assert runs.executed == []
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("status", "exit_status"),
    [
        (Status.CHANGED, 0),
        (Status.UNCHANGED, 0),
        (Status.BAD_INPUT, 3),
        (Status.ANOMALIES, 4),
        (Status.REFUSED, 5),
        (Status.FAILED, 6),
    ],
)
def test_the_exit_status_is_that_of_the_run(marquee, runs, status, exit_status):
    runs.status = status
    assert marquee("run").status == exit_status


@pytest.mark.parametrize("name", sorted(command._FIXABLE))
def test_an_error_that_a_person_can_mend_has_its_own_status(marquee, runs, name):
    module, _, class_name = name.rpartition(".")
    error_class = getattr(importlib.import_module(module), class_name)

    class Raised(error_class):  # needs no arguments of its own
        def __init__(self):
            Exception.__init__(self)

        def __str__(self):
            return "what is \x1b[31mwrong\nand what to do"

    runs.raised = Raised()
    done = marquee("run")
    heading, status = command._FIXABLE[name]
    assert done.status == status
    assert done.err.startswith(
        f"{heading}\n    what is \\x1b[31mwrong\n    and what to do\n"
    )
    assert "Traceback" not in done.out + done.err


def test_each_kind_of_error_has_the_status_of_the_contract():
    statuses = {
        name.rpartition(".")[2]: command._FIXABLE[name][1] for name in command._FIXABLE
    }
    assert statuses["ConfigError"] == 2
    assert statuses["BadInputError"] == statuses["DatasetError"] == 3
    assert statuses["AnomaliesError"] == 4


def test_an_unexpected_error_is_told_in_short_and_logged_whole(marquee, runs):
    runs.raised = ZeroDivisionError("by zero")
    done = marquee("run")
    assert done.status == 1
    [log] = Path("marquee-out/runs").glob("*/run.log")
    assert done.err == (
        "Unexpected error\n    ZeroDivisionError: by zero\n"
        f"    See the log for details: {log}\n"
    )
    assert "Traceback" in log.read_text()


def test_verbose_shows_the_chatter_and_the_traceback(marquee, runs):
    runs.raised = ZeroDivisionError("by zero")
    done = marquee("run", "-v")
    assert "chatter of C++\n" in done.err
    assert "Traceback" in done.err
    assert "chatter" not in done.out


def test_tfx_does_not_find_the_options_of_the_command(runs, monkeypatch, tmp_path):
    """It parses the process's arguments as flags of absl, whose ``-v`` is a number."""
    argv = ["marquee", "run", "-v", "--models", "ease", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 0
    [(config, _)] = runs.executed
    assert "ease" in config.models
    flags.FLAGS(sys.argv, known_only=True)  # as in tfx's base_beam_executor.py


def test_an_interrupted_run_says_how_to_go_on(marquee, runs):
    runs.raised = KeyboardInterrupt()
    done = marquee("run")
    assert done.status == 130
    assert done.err == "Stopped\n    Finished steps are kept: run again to continue.\n"


def test_two_runs_in_one_second_have_folders_of_their_own(marquee, runs):
    marquee("run")
    marquee("run")
    (_, first), (_, second) = runs.executed
    assert first < second


def test_while_a_run_is_at_work_another_is_refused(marquee, runs, tmp_path):
    with lock.one_run(tmp_path / "marquee-out") as (run_id, _):
        refused = marquee("run")
        assert refused.status == 7
        words = " ".join(refused.err.split())
        assert words.startswith(
            f"Busy another run (run {run_id}, process {os.getpid()}"
        )
        assert "is working in marquee-out; wait for it, or name another --out" in words
        assert runs.executed == []
        assert marquee("run", "--out", "elsewhere").status == 0
    assert marquee("run").status == 0


def test_a_run_lets_go_of_its_folder_however_it_ends(marquee, runs):
    for raised in (ZeroDivisionError("by zero"), KeyboardInterrupt(), None):
        runs.raised = raised
        assert marquee("run").status != exit_codes.BUSY
    assert len(runs.executed) == 3


def test_an_output_folder_that_cannot_be(marquee, runs):
    Path("file").touch()
    for out in ("file", "file/out"):
        done = marquee("run", "--out", out)
        assert done.status == 2
        assert "out: " in done.err
        assert runs.executed == []


def test_a_run_writes_its_report_and_says_where(marquee, runs):
    done = marquee("run")
    [(out, run_id)] = runs.reported
    assert out == Path("marquee-out")
    assert Path(f"marquee-out/runs/{run_id}/run.log").is_file()
    line = f"Report  marquee-out/runs/{run_id}/report.html\n"
    assert line in done.out
    assert line in marquee("show").out


def test_a_report_that_cannot_be_written_is_said_and_spoils_no_run(marquee, runs):
    runs.no_report = OSError("no\x1b[31m space")
    done = marquee("run")
    assert done.status == 0
    words = " ".join(done.out.split())
    assert "could not be written: OSError: no\\x1b[31m space." in words
    assert "`marquee report` tries again" in words
    assert "report.html" not in done.out + marquee("show").out
    [log] = Path("marquee-out/runs").glob("*/run.log")
    assert "The report could not be written." in log.read_text()


def test_a_report_is_written_again_on_demand(marquee, runs):
    told = marquee("report", "20261122-031500", "--out", "elsewhere")
    [(out, run_id)] = runs.reported
    assert (out, run_id) == (Path("elsewhere"), "20261122-031500")
    assert told.out == f"elsewhere/runs/{run_id}/report.html\n"


@pytest.fixture
def ratings():
    """A function that writes a file of ratings where the command runs."""

    def write(text):
        Path("ratings.csv").write_text(text)
        return "ratings.csv"

    return write


def test_data_says_what_was_recognised(marquee, ratings):
    path = ratings(
        "userId,movieId,rating,timestamp\n"
        "1,10,4.5,1600000000\n1,20,3.0,1600086400\n2,10,1.0,1600172800\n"
    )
    shown = marquee("data", path)
    words = " ".join(shown.out.split())
    assert shown.status == 0
    assert "3 read, 3 kept, 0 bad" in words
    assert "2 users, 2 items" in words
    assert "25.00% of all pairs unrated" in words
    assert "1.0 to 4.5" in words
    assert "2020-09-13 12:26 to 2020-09-15 12:26 UTC" in words


def test_data_says_what_is_repeated_and_that_nothing_is_liked(marquee, ratings):
    path = ratings("user_id,item_id\n1,10\n1,10\n2,20\n")
    words = " ".join(marquee("data", path).out.split())
    assert "1 time a user rated an item again; data.repeats chooses" in words
    assert "50.00% of all pairs unrated" in words
    assert "No rating is liked under label.threshold '> 3' (all are 1)" in words
    assert "Set label.threshold=all" in words
    told = json.loads(marquee("data", path, "--json").out)
    assert (told["repeated"], told["kept"]) == (1, 3)
    assert told["one_label"].startswith("No rating is liked")
    likes = marquee("data", path, "--set", "label.threshold=all")
    assert "liked" not in likes.out


def test_data_names_bad_rows_and_says_so_in_its_status(marquee, ratings):
    path = ratings(
        "userId,movieId,rating,timestamp\n1,10,4.5,0\n1,20,\x1b[31mgood,5\n2,10,1.0,3\n"
    )
    shown = marquee("data", path)
    assert shown.status == 3
    assert "1 bad row: 1 with a rating that is not a number" in shown.out
    assert "ratings.csv:3: " in shown.out
    assert "\x1b" not in shown.out


def test_data_takes_a_mapping_and_checks_it(marquee, ratings):
    path = ratings("7,1,4.5\n7,2,3.5\n")
    shown = marquee(
        *("data", path, "--column", "item_id=0"),
        *("--column", "user_id=1", "--column", "rating=2"),
    )
    assert "2 users, 1 item" in " ".join(shown.out.split())
    wrong = marquee("data", path, "--column", "usr=1")
    assert wrong.status == 2
    assert "did you mean 'user_id'?" in wrong.err
    assert marquee("data", path, "--column", "user_id").status == 2


def test_data_shows_the_files_of_items_and_users(marquee, ratings):
    path = ratings("user_id, item_id, rating\nann,'lamp',4\nbob,rug,3\n")
    Path("items.csv").write_text(
        "id,item_id,title,price,tags\n"
        "7,rug,Rug &amp; Roll,1.5,a|b\n"
        "8,cup,Cup,,\n"
        "9,cup,Old cup,,\n"
    )
    Path("customers.csv").write_text("member,city\nann,Oslo\n")
    Path("tags.csv").write_text("a\n")
    shown = marquee("data", path, "--user-column", "user_id=member")
    told = "".join(shown.out.split())  # long paths are cut where the line ends
    assert shown.status == 0, shown.err
    for line in (
        "items.csv: 3 rows, separated by comma",
        """1 of 2 rated items found in it (50%); first missing: "'lamp'\"""",
        "id: column 'item_id'; title: column 'title' ('Rug & Roll')",
        "item_price (1.5; missing in 67%)",
        "item_tags (several values: a, b; missing in 67%)",
        "columns not read: 'id' (another id; 'item_id' is the id)",
        "1 row repeats an id; the last row of an id counts",
        "1 value had HTML entities (&amp;), now decoded",
        "customers.csv: 1 row, ",
        "1 of 2 users found in it (50%); first missing: 'bob'",
        "id: column 'member'",
        "tags.csv",
    ):
        assert line.replace(" ", "") in told
    wrong = marquee("data", path, "--item-column", "titel=name")
    assert wrong.status == 2
    assert "did you mean 'title'?" in wrong.err
    assert marquee("data", path).status == 3
    asked = marquee("schema", "propose", path, "--user-column", "user_id=member")
    assert 'name: "user_city"' in asked.out
    assert marquee("schema", "propose", path, "--set", "data.users=none").status == 0


def test_data_that_is_not_there(marquee):
    shown = marquee("data", "nowhere.csv")
    assert shown.status == 3
    assert shown.err.endswith("\n")
    assert "nowhere.csv" in shown.err


def test_a_proposed_schema_can_be_used_as_one(marquee, ratings):
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    path = ratings("userId,movieId,rating,timestamp\n1,10,4.5,0\n1,20,3.0,1600086400\n")
    printed = marquee("schema", "propose", path)
    assert printed.status == 0
    schema = text_format.Parse(printed.out, schema_pb2.Schema())
    assert "item_id" in {feature.name for feature in schema.feature}
    written = marquee("schema", "propose", path, "--to", "mine.pbtxt")
    assert written.out == ""
    assert Path("mine.pbtxt").read_text() == printed.out
    assert written.err.startswith("Wrote mine.pbtxt. Proposed from 2 ratings of 1 user")
    assert f"marquee run --data {path} --set schema.path=mine.pbtxt" in written.err


def test_what_a_schema_cannot_be_proposed_for_is_said(marquee, ratings):
    some = ratings("user_id,item_id,rating\nu,i,4\nv,i,oops\n")
    written = marquee("schema", "propose", some, "--to", "mine.pbtxt")
    assert written.status == 0
    assert "1 bad row was left out" in written.err
    before = Path("mine.pbtxt").read_text()
    none = ratings("user_id,item_id,rating\nv,i,oops\n")
    failed = marquee("schema", "propose", none, "--to", "mine.pbtxt")
    assert failed.status == 3
    assert "no rating can be read" in failed.err
    assert Path("mine.pbtxt").read_text() == before


def test_the_error_of_the_contract_is_a_config_error():
    assert command._kind(ConfigError(None, None, None, "")) == ("Bad configuration", 2)


def test_versions_are_listed_newest_first_with_the_state_of_their_files(
    marquee, pushed
):
    (pushed / "1" / "saved_model.pb").write_text("something else")
    shown = marquee("versions")
    assert shown.status == 0
    rows = [line.split() for line in shown.out.splitlines()]
    rows = [row for row in rows if row and row[0].isdigit()]
    assert [row[:2] for row in rows] == [["2", "neumf"], ["1", "mf_als"]]
    assert rows[0][-2:] == ["as", "pushed"]
    assert "not as pushed" in " ".join(rows[1])


def test_a_rollback_makes_the_model_before_live_again(marquee, pushed):
    told = marquee("rollback")
    assert told.status == 0
    assert told.out.startswith("mf_als of version 1 is live as version 3: ")
    assert versions.live(pushed).model == "mf_als"
    assert marquee("rollback", "2").out.startswith("neumf of version 2 is live")
    assert "neumf, from version 2" in marquee("versions").out


def test_a_rollback_does_not_wait_for_a_run_and_says_what_that_may_do(marquee, pushed):
    assert marquee("rollback").err == ""
    with lock.one_run(pushed.parent) as (run_id, _):
        told = marquee("rollback")
    assert told.status == 0
    assert versions.live(pushed).number == 4
    assert f"A run is in progress (run {run_id}, " in told.err
    assert "marquee versions" in told.err


def test_there_is_nothing_to_roll_back_to(marquee, pushed):
    told = marquee("rollback", "7")
    assert told.status == exit_codes.CONFIG
    assert "available: 1, 2" in " ".join(told.err.split())
    assert versions.live(pushed).number == 2
    assert "No model has been live" in marquee("versions", "--out", "nowhere").out
    assert marquee("rollback", "--out", "nowhere").status == exit_codes.CONFIG


@pytest.fixture
def kept(monkeypatch):
    """Notes which keepers were to be kept, and keeps none."""
    asked = []

    def keep(keeper, out, started):
        asked.append((keeper, out))
        started()
        return 130

    monkeypatch.setattr(schedule, "keep", keep)
    return asked


def test_a_schedule_passes_on_what_retraining_takes(marquee, kept):
    Path("mine.yaml").write_text("out: from-file\nsplit: {kind: temporal}\n")
    asked = marquee(
        *("schedule", "--cron", "0 3 * * *", "--timezone", "Asia/Kolkata"),
        *("--data", "spans of mine", "--models", "mf_als", "--config", "mine.yaml"),
        *("--set", "train.seed=2", "--set", "models.mf_als.embedding_dim=8"),
        *("--column", "user_id=member", "--item-column", "title=name"),
    )
    assert asked.status == 130
    assert asked.out.count(" 03:00 IST") == 3
    [(keeper, out)] = kept
    assert out == Path("from-file")
    python, *command = keeper._process._command
    assert python == sys.executable
    assert command == [
        *("-m", "pipeline", "retrain", "--data", "spans of mine"),
        *("--models", "mf_als", "--column", "user_id=member"),
        *("--item-column", "title=name", "--set", "train.seed=2"),
        *("--set", "models.mf_als.embedding_dim=8", "--config", "mine.yaml"),
    ]
    marquee("schedule", "--cron", "0 3 * * *", "--out", "flag", "--missed", "skip")
    keeper, out = kept[-1]
    assert out == Path("flag")
    assert keeper._process._command[-3:] == ["retrain", "--out", "flag"]
    assert keeper._missed == "skip"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--cron", "0 3 * *"], "--cron: '0 3 * *': it has 4 fields; expected minute,"),
        (
            ["--cron", "0 3 * * *", "--timezone", "Mars"],
            "--timezone: unknown time zone",
        ),
        (["--cron", "0 3 * * *", "--set", "train.sed=1"], "did you mean 'seed'?"),
        (["--cron", "0 3 * * *", "--config", "no.yaml"], "no.yaml: cannot be read"),
        (["--cron", "0 3 * * *", "--missed", "never"], "'once', 'skip'"),
        ([], "Missing option --cron, e.g. '0 3 * * *'"),
    ],
)
def test_a_schedule_that_cannot_be_kept_starts_nothing(marquee, kept, arguments, told):
    refused = marquee("schedule", *arguments)
    assert (refused.status, refused.out) == (2, "")
    assert told in refused.err
    assert kept == []
    assert list(Path().iterdir()) == []


def test_the_log_of_a_schedule_is_shown_newest_first(marquee):
    assert "Nothing was due yet" in marquee("schedule", "--log").out
    lines = [
        {"event": "scheduled", "due": "2026-10-24T00:00:00Z"},
        {"event": "started", "due": "2026-10-24T01:00:00Z"},
        {
            **{"event": "ended", "due": "2026-10-24T01:00:00Z", "exit_status": 0},
            **{"started": "2026-10-24T01:00:00Z", "ended": "2026-10-24T01:05:02Z"},
            **{"run": "20261024-010001", "verdict": "nothing changed; a\u001b[31m"},
        },
        {
            **{"event": "skipped", "due": "2026-10-26T02:00:00Z", "missed": 1},
            **{"verdict": "missed, and skipped"},
        },
        {
            **{"event": "started", "due": "2026-10-28T02:00:00Z", "missed": 1},
            **{"started": "2026-10-28T02:10:00Z", "late_seconds": 600.0},
        },
    ]
    schedule = {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}
    Path("marquee-out").mkdir()
    Path("marquee-out/schedule.jsonl").write_text(
        "".join(json.dumps({**schedule, **line}) + "\n" for line in lines)
    )
    shown = marquee("schedule", "--log")
    assert shown.status == 0
    rows = " ".join(shown.out.split()).partition("2026-10-28")
    newest, _, rest = "".join(rows[1:]).partition("2026-10-26")
    missed, _, oldest = rest.partition("2026-10-24")
    assert newest == (
        "2026-10-28 03:00 CET - - running; started 10:00 min late; also replaces "
        "1 missed before it "
    )
    assert missed == " 03:00 CET - - missed, and skipped, with 1 before it "
    assert oldest == (
        " 03:00 CEST 5:02 min 20261024-010001 nothing changed; a\\x1b[31m"
    )
