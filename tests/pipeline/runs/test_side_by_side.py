"""Steps that run at once, in workers, on a real SQLite metadata store."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import toy_models
import toy_steps

from pipeline.runs.local_runner import run_locally
from pipeline.runs.workers import WorkerDiedError, WorkerTracebackError
from pipeline.views.terminal import captured_output
from tests.support.waiting import wait_until


@pytest.fixture
def data():
    return toy_steps.make_data().with_id("Data")


@pytest.fixture
def act(data):
    """Makes steps that each do one thing, by their names."""

    def _act(**tasks):
        return [
            toy_steps.act(examples=data.outputs["examples"], what=what).with_id(name)
            for name, what in tasks.items()
        ]

    return _act


@pytest.fixture
def run(tmp_path, data):
    """Runs steps two at a time; returns their results by name."""

    def _run(*steps, on_end=lambda result: None):
        pipeline = toy_steps.pipeline_of(tmp_path, data, *steps)
        results = run_locally(pipeline, "1", lambda name: None, on_end, 2)
        return {result.name: result for result in results}

    return _run


def states(results):
    return {name: result.state for name, result in results.items()}


@pytest.mark.integration
def test_two_steps_run_at_once_in_two_workers_that_end_with_the_run(
    run, data, tmp_path
):
    steps = [
        toy_steps.meet(
            examples=data.outputs["examples"],
            place=str(tmp_path),
            own=own,
            other=other,
        ).with_id(f"Meet_{own}")
        for own, other in ("ab", "ba")
    ]
    assert set(states(run(*steps)).values()) == {"done"}
    workers = {int((tmp_path / name).read_text()) for name in "ab"}
    assert len(workers) == 2
    assert os.getpid() not in workers
    assert not any(psutil.pid_exists(worker) for worker in workers)


def test_results_are_in_the_order_of_the_pipeline_and_of_their_ends(run, act):
    ended = []
    steps = act(Step_a="nothing", Step_b="nothing", Step_c="nothing")
    results = run(*steps, on_end=lambda result: ended.append(result.name))
    assert list(results) == ["Data", "Step_a", "Step_b", "Step_c"]
    assert sorted(ended) == list(results)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("is killed", "killed by SIGKILL, probably because memory ran out"),
        ("is terminated", "ended with exit status 143 and without a result"),
    ],
)
def test_a_worker_that_dies_fails_its_step_and_is_replaced(
    run, act, tmp_path, what, message
):
    results = run(*act(Step_a=what, Step_b="nothing", Step_c="nothing"))
    assert states(results) == {
        "Data": "done",
        "Step_a": "failed",
        "Step_b": "done",
        "Step_c": "done",
    }
    assert type(results["Step_a"].error) is WorkerDiedError
    assert message in str(results["Step_a"].error)
    assert not list(tmp_path.glob("artifacts/Step_a/model/*"))


def test_an_error_arrives_with_its_traceback(run, act):
    error = run(*act(Step_a="raises"))["Step_a"].error
    assert type(error).__name__ == "TwoPartsError"
    assert str(error) == "ratings.csv, line 14"
    assert isinstance(error.__cause__, WorkerTracebackError)
    assert "toy_steps.py" in str(error.__cause__)


def test_each_line_of_the_log_is_whole_and_names_its_step(run, act, tmp_path):
    log = tmp_path / "run.log"
    with captured_output(log):
        run(*act(Step_a="writes", Step_b="writes"))
        logging.getLogger("run").info("between steps")
    lines = log.read_text().splitlines()
    for step in ("Step_a", "Step_b"):
        own = [line for line in lines if line.startswith(f"[{step}] ")]
        for text in (
            "lines of Python",
            "standard output",
            "C++ \N{REPLACEMENT CHARACTER} without an end",
        ):
            assert own.count(f"[{step}] {text}") == 1
        [begin] = [line for line in own if "half a line, " in line]
        assert begin.endswith("INFO toy: two")
        assert any("Running launcher for" in line for line in own)  # TFX's, in here
    assert not lines[-1].startswith("[")


def test_progress_of_a_step_is_received_with_its_name(run, act, caplog):
    with caplog.at_level(logging.INFO, "marquee.progress"):
        run(*act(Step_a="reports"))
    epoch, message = (r for r in caplog.records if r.name == "marquee.progress")
    assert (epoch.step, epoch.progress["epoch"]) == ("Step_a", 1)
    assert (message.getMessage(), message.levelname) == ("all of it: 100%", "WARNING")


@pytest.mark.parametrize("fate", ["is interrupted", "is interrupted in Beam"])
def test_an_interrupted_step_ends_the_run_after_all_were_reported(tmp_path, data, fate):
    steps = [
        toy_models.train(examples=data.outputs["examples"], fate=f).with_id(name)
        for name, f in (("Trainer_a", "trained"), ("Trainer_b", fate))
    ]
    started, ended = [], {}
    with pytest.raises(KeyboardInterrupt):
        run_locally(
            toy_steps.pipeline_of(tmp_path, data, *steps),
            "1",
            started.append,
            lambda result: ended.update({result.name: result}),
            2,
        )
    assert set(started) == ended.keys() == {"Data", "Trainer_a", "Trainer_b"}
    assert ended["Trainer_b"].state == "failed"
    assert isinstance(ended["Trainer_b"].error, KeyboardInterrupt)


SCRIPT = """
import sys
from pathlib import Path

import toy_steps
from pipeline.runs.local_runner import run_locally

out = Path(sys.argv[1])
print("started", flush=True)
data = toy_steps.make_data().with_id("Data")
steps = [
    toy_steps.act(examples=data.outputs["examples"], what="nothing").with_id(name)
    for name in ("Step_a", "Step_b")
]
pipeline = toy_steps.pipeline_of(out, data, *steps)
results = run_locally(pipeline, "1", lambda name: None, lambda result: None, 2)
print(*(result.state for result in results), flush=True)
"""


@pytest.mark.integration
def test_a_script_that_runs_a_pipeline_at_its_top_level_is_run_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    folders = [Path(toy_steps.__file__).parent, Path(__file__).parents[3]]
    ended = subprocess.run(
        [sys.executable, script, tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))},
        timeout=300,
    )
    assert ended.stdout.split() == ["started", "done", "done", "done"]


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_run_that_is_stopped(tmp_path, number):
    """Neither the workers, nor what they started, nor the process they come from."""
    process = subprocess.Popen(
        [sys.executable, toy_steps.__file__, str(tmp_path)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    with process:
        wait_until(lambda: len(list(tmp_path.glob("*.pids"))) == 2)
        pids = [
            int(pid)
            for file in tmp_path.glob("*.pids")
            for pid in file.read_text().split()
        ]
        started = psutil.Process(process.pid).children(recursive=True)
        assert set(pids) <= {child.pid for child in started}
        try:
            process.send_signal(number)
            assert process.wait(60) != 0
        finally:
            process.kill()
    wait_until(lambda: not any(child.is_running() for child in started))
