"""The task that fails a run: its logic, and its process on a metadata store."""

import json

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from kubeflow import entrypoint, notify, verdict
from pipeline.runs.code_version import version_of_all

STEPS = {
    "Data": {"needs": [], "unions": []},
    "Trainer_a": {"needs": ["Data"], "unions": []},
    "Trainer_b": {"needs": ["Data"], "unions": []},
    "Evaluator_a": {"needs": ["Trainer_a"], "unions": []},
    "Evaluator_b": {"needs": ["Trainer_b"], "unions": []},
    "Champion": {"needs": ["Data"], "unions": [["Evaluator_a", "Evaluator_b"]]},
    "Pusher": {"needs": ["Champion"], "unions": []},
}
CONFIG = {
    "mysqlDbServiceHost": {"value": "db"},
    "mysqlDbServicePort": {"value": "3306"},
    "mysqlDbName": {"value": "marquee"},
    "mysqlDbUser": {"environmentVariable": "MYSQL_USER"},
    "mysqlDbPassword": {"environmentVariable": "MYSQL_PASSWORD"},
}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Records executions of steps in a metadata store in a file."""
    connection = mlmd.ConnectionConfig()
    connection.sqlite.filename_uri = str(tmp_path / "metadata.sqlite")
    monkeypatch.setattr(verdict, "_connection", lambda _: connection)
    store = MetadataStore(connection)
    execution_type = store.put_execution_type(mlmd.ExecutionType(name="step"))
    types = {
        name: store.put_context_type(mlmd.ContextType(name=name))
        for name in ("pipeline_run", "node")
    }

    def record(run, step, state):
        execution = mlmd.Execution(type_id=execution_type, last_known_state=state)
        contexts = [
            mlmd.Context(type_id=types[kind], name=name)
            for kind, name in (("pipeline_run", run), ("node", f"marquee.{step}"))
        ]
        store.put_execution(
            execution, [], contexts, reuse_context_if_already_exist=True
        )

    return record


def run(capsys, name="run-1"):
    """Returns the exit status and the lines of a verdict."""
    status = verdict.main(name, json.dumps(CONFIG), STEPS)
    return status, capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("done", "step", "cause"),
    [
        ({"Data"}, "Trainer_a", None),
        (set(), "Trainer_a", "Data"),
        ({"Data", "Evaluator_b"}, "Champion", None),
        ({"Data"}, "Champion", "each of Evaluator_a, Evaluator_b"),
        ({"Evaluator_a", "Evaluator_b"}, "Champion", "Data"),
    ],
)
def test_a_step_needs_all_of_some_and_one_of_others(done, step, cause):
    assert verdict.missing(STEPS[step], done) == cause


def test_a_run_succeeds_if_every_step_was_done_or_found_in_the_cache(store, capsys):
    for number, step in enumerate(STEPS):
        state = (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED)[number % 2]
        store("run-1", step, state)
    assert run(capsys) == (0, ["All 7 steps succeeded."])


def test_a_step_that_failed_is_told_from_those_that_were_not_run(store, capsys):
    for step in ("Data", "Trainer_a", "Evaluator_a", "Champion", "Pusher"):
        store("run-1", step, mlmd.Execution.COMPLETE)
    store("run-1", "Trainer_b", mlmd.Execution.FAILED)
    assert run(capsys) == (
        1,
        [
            "Trainer_b: failed; its log has the reason",
            "Evaluator_b: not run, because Trainer_b did not succeed",
        ],
    )


def test_the_last_attempt_counts(store, capsys):
    for step in STEPS:
        store("run-1", step, mlmd.Execution.FAILED)
        store("run-1", step, mlmd.Execution.COMPLETE)
    assert run(capsys)[0] == 0


def test_what_another_run_did_does_not_count(store, capsys):
    for step in STEPS:
        store("run-0", step, mlmd.Execution.COMPLETE)
    status, lines = run(capsys)
    assert status == 1
    assert lines[0] == "Data: failed; its log has the reason"
    assert len(lines) == len(STEPS)


def test_the_webhook_gets_the_verdict(store, receiver, monkeypatch, capsys):
    url, messages = receiver
    monkeypatch.setenv(notify.URL, url)
    for step in STEPS:
        store("run-1", step, mlmd.Execution.COMPLETE)
    assert run(capsys)[0] == 0
    assert messages == []
    store("run-2", "Data", mlmd.Execution.COMPLETE)
    assert run(capsys, "run-2")[0] == 1
    [message] = messages
    assert (message["workflow"], message["status"]) == ("run-2", "Failed")
    assert message["failed"]["Trainer_a"] == "failed; its log has the reason"
    assert message["failed"]["Pusher"] == "not run, because Champion did not succeed"


def test_a_store_that_cannot_be_reached_is_reported(receiver, monkeypatch, capsys):
    def refuse(_):
        raise ConnectionRefusedError("no such host")

    url, messages = receiver
    monkeypatch.setenv(notify.URL, url)
    monkeypatch.setattr(verdict, "_connection", refuse)
    assert run(capsys)[0] == 1
    [message] = messages
    assert message["status"] == "Unknown"
    assert message["failed"] == {"verdict": "the metadata store: no such host"}


def test_the_account_is_that_of_the_environment(monkeypatch):
    monkeypatch.setenv("MYSQL_USER", "marquee")
    monkeypatch.setenv("MYSQL_PASSWORD", "a password")
    mysql = verdict._connection(CONFIG).mysql
    assert (mysql.host, mysql.port, mysql.database) == ("db", 3306, "marquee")
    assert (mysql.user, mysql.password) == ("marquee", "a password")


@pytest.mark.parametrize("is_ready", [True, False])
def test_a_step_is_not_run_without_what_it_needs(store, monkeypatch, capsys, is_ready):
    """Its pod succeeds at once, because no attempt could help."""

    def launch(allow_executors):
        raise InterruptedError

    monkeypatch.setenv(entrypoint.SOURCES, version_of_all())
    monkeypatch.setenv("WORKFLOW_ID", "")  # restored at the end
    monkeypatch.setattr(entrypoint, "_launcher", launch)
    words = [
        *("--run_id", "run-1", "--kubeflow_metadata_config", json.dumps(CONFIG)),
        *("--requires", json.dumps(STEPS["Evaluator_b"])),
    ]
    if is_ready:
        store("run-1", "Trainer_b", mlmd.Execution.COMPLETE)
        with pytest.raises(InterruptedError):
            entrypoint.main(words)
    else:
        assert entrypoint.main(words) == 0
        message = (
            "This step was not run, because Trainer_b did not succeed in this run."
        )
        assert message in capsys.readouterr().out
