import io
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from types import SimpleNamespace

import pytest
from absl import logging as absl_logging
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from components.ratings_example_gen.recognise.reading import (
    ColumnReading,
    Reading,
)
from components.ratings_example_gen.spans import Overlap
from pipeline.runs.model_record import ModelRecord
from pipeline.runs.record import Live, Rows, SideFile, StepRecord
from pipeline.runs.span_record import Distance, Drift
from pipeline.views.formatting import inert, sum_of_rows
from pipeline.views.terminal import (
    PROGRESS_LOGGER,
    RunView,
    Terminal,
    captured_output,
    open_console,
    print_run,
)
from pipeline.views.terminal.reading import reading_facts
from tests.support.run_record import make_record, make_spans

EVIL = "[red]\x1b[2J\x9b31m\x07\u202eabc\r\ud800"

STEPS = ["RatingsExampleGen", "Transform", "Trainer_neumf", "Evaluator_neumf"]


def result(name, state="done", seconds=2.0, error=None):
    return SimpleNamespace(name=name, state=state, seconds=seconds, error=error)


def report_epoch(epoch, epochs=4, **more):
    progress = {"model": "neumf", "epoch": epoch, "epochs": epochs, **more}
    logging.getLogger(PROGRESS_LOGGER).info("epoch", extra={"progress": progress})


def model(name, verdict, ndcg, rule="the rule", **more):
    metrics = {
        **{"ndcg@10": ndcg, "hit_rate@10": 0.21, "mrr": 0.1, "recall@10": 0.21},
        **{"coverage@10": 0.4, "precision@10": 0.02, "mean_rank_auc": 0.9, "auc": 0.71},
    }
    figures = {"metrics": metrics, "parameters": 346_000, "train_seconds": 3.8}
    return ModelRecord(
        name=name, state="trained", verdict=verdict, rule=rule, **{**figures, **more}
    )


MODELS = [
    model("popularity", "reference", 0.051),
    model("neumf", "refused", 0.04, rule="ndcg@10 0.0400 < popularity 0.0510"),
    model("mf_als", "live", 0.1213, rule="the best of those that passed"),
]


@pytest.fixture
def run():
    """A function: fields that differ → a run with three models."""

    def made(**changes):
        live = Live("1763781300", "mf_als")
        return make_record(**{"models": MODELS, "live": live, **changes})

    return made


def failed_step(error):
    return StepRecord(name="Trainer_neumf", state="failed", seconds=1.0, error=error)


def printed(record, width):
    file = io.StringIO()
    print_run(open_console(file, width=width), record)
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_a_run_fits_the_terminal_and_says_all_that_the_issue_asks(run, width):
    text = printed(run(), width)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for told in (
        "Run 20261122-031500 a new model is live, 1:23 min",
        "1,000 users, 800 items, 80,000 ratings, 90.00% of all pairs unrated",
        "2019-01-01 to 2022-03-01",
        "80,010 read = 79,990 kept + 3 quarantined + 10 duplicates + 7 truncated",
        "refused neumf ndcg@10 0.0400 < popularity 0.0510",
        "live mf_als the best of those that passed",
        "mf_als is live, new in this run: marquee-out/live/1763781300",
        "marquee show",
        "Log marquee-out/runs/20261122-031500/run.log",
    ):
        assert told in words


def test_merged_rows_are_part_of_the_sum_and_duplicates_only_if_there_are_any():
    counts = {"read": 10, "kept": 6, "quarantined": 1, "truncated": 0}
    merged = sum_of_rows({**counts, "duplicates": 0, "merged": 3})
    assert merged == "6 kept + 1 quarantined + 3 merged + 0 truncated"
    both = sum_of_rows({**counts, "duplicates": 2, "merged": 1})
    assert both == "6 kept + 1 quarantined + 2 duplicates + 1 merged + 0 truncated"
    none = sum_of_rows({**counts, "duplicates": 3, "merged": None})
    assert none == "6 kept + 1 quarantined + 3 duplicates + 0 truncated"


def test_the_leaderboard_is_ordered_and_leaves_columns_out_when_narrow(run):
    wide, narrow = printed(run(), 120), printed(run(), 80)
    for text in (wide, narrow):
        rows = re.findall(r"^(popularity|neumf|mf_als) +0\.", text, re.MULTILINE)
        assert rows == ["mf_als", "popularity", "neumf"]
        row = re.search(r"^mf_als +0\..*$", text, re.MULTILINE).group()
        assert row.split()[:3] == ["mf_als", "0.1213", "0.2100"]
        assert row.split()[-4:] == ["0.7100", "3.8", "s", "346,000"]
    assert "mean_rank_auc" in wide
    assert "mean_rank_auc" not in narrow


def test_a_judgement_on_a_sample_of_users_is_said_to_be_one(run):
    assert "sample of" not in printed(run(), 80)
    sampled = [
        replace(
            judged,
            share_of_users=0.25,
            metrics={
                **judged.metrics,
                **{"num_users": 250.0, "ndcg@10_standard_error": error},
            },
        )
        for judged, error in zip(MODELS, (0.0021, 0.0034, 0.0029), strict=True)
    ]
    words = " ".join(printed(run(models=sampled), 80).split())
    assert "sample of 250 users (25%): the standard error of ndcg@10 is 0.0034" in words


def test_how_well_the_files_of_items_and_users_fit_is_shown(run):
    assert "found in it" not in printed(run(), 80)
    data = replace(
        run().data,
        items_file=SideFile("shop/items.csv", 3, 2, [" lamp"], 4),
        users_file=SideFile("shop/users.csv", 1000, 1000, [], 0),
    )
    words = " ".join(printed(run(data=data), 120).split())
    assert (
        "Items items.csv: 2 of 3 rated items found in it (67%); "
        "first missing: ' lamp'; 4 rows repeat an id" in words
    )
    assert "Users users.csv: 1,000 of 1,000 users found in it (100%)" in words


def test_a_failed_model_and_missing_figures_are_shown(run):
    no_metrics = {**MODELS[2].metrics, "ndcg@10": float("nan"), "auc": None}
    failed = run(
        steps=[failed_step("ValueError: no\nluck")],
        models=[
            MODELS[0],
            replace(MODELS[1], verdict="failed", metrics={}, train_seconds=None),
            replace(MODELS[2], metrics=no_metrics, parameters=None),
        ],
        live=Live(),
        data=replace(run().data, sparsity=None, first=None),
    )
    text = printed(failed, 80)
    assert "✗ Trainer_neumf failed\n    ValueError: no\n    luck\n" in text
    assert re.search(r"^mf_als +- .* - +3.8 s +-$", text, re.MULTILINE)
    assert "No model is live" in text
    assert "nan" not in text


def test_users_who_are_in_the_data_twice_are_shown(run):
    for number in (None, 0):
        data = replace(run().data, duplicate_users=number)
        assert "Duplicates" not in printed(run(data=data), 120)
    data = replace(run().data, duplicate_users=1200)
    shown = printed(run(data=data), 120)
    assert "Duplicates  1,200 users have exactly the ratings" in shown


def test_items_that_are_only_in_the_test_are_shown(run):
    for number in (None, 0):
        data = replace(run().data, items_first_rated_in_test=number)
        assert "only in the test" not in printed(run(data=data), 120)
    data = replace(run().data, items_first_rated_in_test=1310)
    assert "1,310 items only in the test" in printed(run(data=data), 120)


def test_late_keys_are_shown(run):
    assert "Late keys" not in printed(run(), 120)
    data = replace(run().data, late_keys={"mood": 1200})
    shown = printed(run(data=data), 120)
    assert "Late keys  'mood' (in 1,200 rows) first occurred" in shown


def test_of_a_full_disk_it_is_said_what_to_do(run):
    error = "model/8/saved_model.pb.tmp60; No space left on device"
    full = run(steps=[failed_step(error)])
    assert f"{error}\n    Make room and run again" in printed(full, 120)
    assert "Make room" not in printed(run(steps=[failed_step("no luck")]), 120)


def test_a_run_without_models_is_shown(run):
    assert "Next" in printed(run(models=[], rows=Rows()), 80)


@given(st.text(st.characters(), max_size=50) | st.just(EVIL))
def test_inert_text_holds_nothing_that_acts(text):
    harmless = inert(text)
    assert harmless.isprintable()
    assert text.isprintable() <= (harmless == text)


def test_texts_of_data_and_errors_come_out_inert(run):
    evil = run(
        run=replace(run().run, out=EVIL, log=EVIL),
        data=replace(run().data, source=EVIL),
        models=[replace(MODELS[1], name=EVIL, rule=EVIL)],
        steps=[failed_step(EVIL)],
    )
    text = printed(evil, 400)
    # [red] would have vanished, had it been read as markup.
    assert text.count(r"[red]\x1b[2J\x9b31m\x07\u202eabc") >= 6
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)


def test_without_a_terminal_each_event_is_a_plain_line():
    file = io.StringIO()
    with RunView(open_console(file, width=80), live=False) as view:
        view.progress("downloading ml-1m.zip", 0, 100)
        view.progress("downloading ml-1m.zip", 50, 100)
        view.steps(STEPS)
        view.started(STEPS[0])
        view.ended(result(STEPS[0], "cached", 0.1))
        view.started(STEPS[2])
        report_epoch(1, loss=0.31, metric=0.08, metric_name="ndcg@10")
        report_epoch(2, loss=None, samples_per_second=1.25e6)
        view.ended(result(STEPS[2], "failed", 75, ValueError(f"bad\n{EVIL}")))
        view.ended(result(STEPS[3], "skipped", 0.0))
    lines = [" ".join(line.split()) for line in file.getvalue().splitlines()]
    assert lines == [
        "downloading ml-1m.zip",
        "RatingsExampleGen started",
        "✓ RatingsExampleGen from cache 0.1 s",
        "Trainer_neumf started",
        "neumf: epoch 1/4, loss 0.3100, ndcg@10 0.0800",
        "neumf: epoch 2/4, 1.25 M samples/s",
        "✗ Trainer_neumf failed 1:15 min",
        "bad",
        r"[red]\x1b[2J\x9b31m\x07\u202eabc",  # a carriage return ends a line
        r"\ud800",
        "- Evaluator_neumf skipped: needs a step that failed",
    ]


def test_what_else_is_worth_saying_is_a_line_in_either_view():
    for is_live in (False, True):
        file = io.StringIO()
        with RunView(open_console(file), live=is_live) as view:
            view.started("Trainer_neumf")
            # pytest keeps what is logged, and cannot send half a character on.
            evil = EVIL.replace("\ud800", "")
            logging.getLogger(PROGRESS_LOGGER).info("%s starts from %s", "neumf", evil)
        assert "  neumf starts from [red]" in file.getvalue()
        assert "\x07" not in file.getvalue()


def test_steps_that_run_at_once_are_shown_each_with_its_own_epochs():
    file = io.StringIO()
    console = Terminal(file=file, force_terminal=True, width=100)
    log = logging.getLogger(PROGRESS_LOGGER)
    with RunView(console, live=True) as view:
        view.steps(["Trainer_gmf", "Trainer_neumf", "Evaluator_gmf"])
        view.started("Trainer_gmf")
        view.started("Trainer_neumf")
        for model, epoch in (("gmf", 1), ("neumf", 7)):
            progress = {"model": model, "epoch": epoch, "epochs": 9, "loss": epoch / 10}
            step = {"step": f"Trainer_{model}"}
            log.info("epoch", extra={"progress": progress, **step})
        log.info("starts from %s", "the live model", extra={"step": "Trainer_neumf"})
        time.sleep(0.6)  # until it is drawn
        view.ended(result("Trainer_gmf"))
        time.sleep(0.6)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    both, later = drawn.split("✓ Trainer_gmf")
    assert re.search(r"Trainer_gmf +\S* 1/9 .*\n +loss 0\.1000", both)
    assert re.search(r"Trainer_neumf +\S* 7/9 .*\n +loss 0\.7000", both)
    assert "  Trainer_neumf: starts from the live model" in both
    assert "1 waiting: Evaluator_gmf" in both
    last = later.split("Evaluator_gmf")[-2]
    assert "Trainer_neumf" in last
    assert "Trainer_gmf" not in last


def test_nothing_listens_to_epochs_after_the_run():
    file = io.StringIO()
    with RunView(open_console(file), live=False):
        pass
    report_epoch(1)
    assert file.getvalue() == ""


LIVE_RUN = """
import logging, os, sys, time
from types import SimpleNamespace
from pathlib import Path
from pipeline.views.terminal import RunView, captured_output

with captured_output(Path(sys.argv[1])) as console:
    print("width", console.width)
    with RunView(console, live=console.is_terminal) as view:
        view.steps(["Transform", "Trainer_neumf", "Evaluator_neumf"])
        view.started("Transform")
        view.ended(SimpleNamespace(name="Transform", state="cached", seconds=0.1,
                                   error=None))
        view.started("Trainer_neumf")
        os.write(2, b"from C++\\n")
        for epoch in (1, 2):
            time.sleep(0.3)
            logging.getLogger("marquee.progress").info("epoch", extra={"progress": {
                "model": "neumf", "epoch": epoch, "epochs": 4, "loss": 0.31,
                "metric": 0.081, "metric_name": "ndcg@10",
                "samples_per_second": 1.2e6}})
        time.sleep(0.6)
        view.ended(SimpleNamespace(name="Trainer_neumf", state="done", seconds=1.2,
                                   error=None))
print("after the run")
"""


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_a_live_view(tmp_path, columns):
    log = tmp_path / "run.log"
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    with subprocess.Popen(
        [sys.executable, "-c", LIVE_RUN, str(log)],
        stdin=subprocess.DEVNULL,  # the size is the terminal's all the same
        stdout=theirs,
        stderr=theirs,
        env=environment,
    ) as process:
        os.close(theirs)
        received = b""
        # A pty ends with an error once its other end is closed.
        while chunk := read_or_nothing(ours):
            received += chunk
    os.close(ours)
    assert process.returncode == 0
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", received.decode())
    assert "Trainer_neumf" in drawn
    assert "━" in drawn
    assert re.search(r"2/4 .* s, at most \d\.\d s left", drawn)
    assert "loss 0.3100, ndcg@10 0.0810, 1.2 M samples/s" in drawn
    assert "1 waiting: Evaluator_neumf" in drawn
    assert re.search(r"✓ Transform +from cache +0.1 s", drawn)
    assert max(len(line.rstrip("\r")) for line in re.split("[\r\n]+", drawn)) <= columns
    assert "from C++" not in drawn
    assert drawn.rstrip().endswith("after the run")
    assert b"\x1b[?25h" in received  # the cursor is back
    logged = log.read_text()
    assert "from C++" in logged
    assert f"width {columns}" in logged


def read_or_nothing(fd):
    try:
        return os.read(fd, 65536)
    except OSError:
        return b""


def test_python_c_and_loggers_write_to_the_log_and_then_no_more(tmp_path, capfd):
    log = tmp_path / "run.log"
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    with captured_output(log) as console:
        os.system("echo from a child")
        os.write(1, b"from C++ on 1\n")
        os.write(2, b"from C++ on 2\n")
        logging.getLogger("tfx.some.module").info("from a logger")
        absl_logging.info("from TFX")
        console.print("for the person")
    os.write(1, b"later\n")
    assert (root.handlers[:], root.level) == before
    logged = log.read_text()
    for text in ("from a child", "from C++ on 1", "from C++ on 2"):
        assert f"{text}\n" in logged
    assert "INFO tfx.some.module: from a logger\n" in logged
    assert "INFO absl: from TFX\n" in logged
    assert capfd.readouterr().out == "for the person\nlater\n"


def test_a_logger_made_during_the_run_still_works_after_it(tmp_path, capfd):
    with captured_output(tmp_path / "run.log"):
        handler = logging.StreamHandler()  # as TensorFlow's, on what sys.stderr is now
    handler.emit(logging.makeLogRecord({"msg": "at exit"}))
    assert capfd.readouterr().err == "at exit\n"


def test_output_is_restored_after_an_error(tmp_path, capfd):
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(KeyboardInterrupt), captured_output(tmp_path / "run.log"):
        raise KeyboardInterrupt
    os.write(1, b"here again\n")
    assert capfd.readouterr().out == "here again\n"
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_verbose_shows_all_of_the_log_as_it_comes(tmp_path, capfd):
    log = tmp_path / "run.log"
    log.write_text("of an earlier run\n")
    with captured_output(log, verbose=True):
        os.write(2, b"at once\n")
        deadline = time.monotonic() + 10
        shown = ""
        while "at once" not in shown and time.monotonic() < deadline:
            time.sleep(0.05)
            shown += capfd.readouterr().err
        os.write(2, b"x" * 100_000 + b"\n")
    assert shown == "at once\n"
    assert capfd.readouterr().err == "x" * 100_000 + "\n"
    assert log.read_text() == "of an earlier run\nat once\n" + "x" * 100_000 + "\n"


def test_what_is_odd_about_spans_is_said_and_nothing_else(run):
    quiet = printed(run(spans=make_spans("1", "2")), 100)
    assert "Spans  1 to 2: 2, 1 new" in quiet
    assert "late" not in quiet
    measured = [
        Distance(feature=name, value=0.3, threshold=0.1, is_drift=is_drift)
        for name, is_drift in (("rating", True), ("item_id", False))
    ]
    spans = make_spans(
        *("1", "2"),
        late=("1\x1b[2J",),
        overlaps=(Overlap(("1", "2"), 1234),),
        drift=Drift(live_span="1", not_compared="", measured=measured),
    )
    odd = printed(run(spans=spans), 100)
    assert "late, and included: 1" in odd
    assert "\x1b[2J" not in odd
    assert "1,234 ratings of 1 occur in 2 again; one of each is kept" in odd
    assert "drift since 1: rating 0.300, allowed 0.1" in odd
    assert "item_id" not in odd


def test_what_may_be_overlooked_and_what_is_skipped_is_shown():
    column = ColumnReading("rating", "no column", "given", "", "")
    reading = Reading((column,), (), skipped=("sep=;",), warnings=("Look here.",))
    assert list(reading_facts(reading)) == [
        ("Columns", "rating is read from no column (given)"),
        ("Skipped", "sep=;"),
        ("Warning", "Look here."),
    ]
