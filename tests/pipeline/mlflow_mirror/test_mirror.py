"""What is copied to MLflow, and what happens without a usable server."""

import contextlib
import logging
import socket
import threading
import time

import pytest

from pipeline.config.load import load_config
from pipeline.config.mlflow_section import MlflowConfig
from pipeline.mlflow_mirror import mirror, mirror_run
from pipeline.runs.model_record import ModelRecord
from tests.support.databases import free_port
from tests.support.run_record import make_record

HEAD = b"HTTP/1.1 %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"


@contextlib.contextmanager
def answering(answer):
    """Yields the address of a server of something else."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with contextlib.suppress(OSError), connection:
                        connection.recv(65536)
                        answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def whole(status, body):
    return lambda connection: connection.sendall(HEAD % (status, len(body)) + body)


def trickle(connection):
    connection.sendall(HEAD % (b"200 OK", 10_000))
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def warnings_of(uri, caplog):
    with caplog.at_level(logging.INFO, "marquee.progress"):
        mirror_run(MlflowConfig(uri=uri), make_record())
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (whole(b"500 Down", b"<html>\n\nmaintenance"), "MlflowError: 500: Down"),
        (whole(b"200 OK", b"<html>welcome"), "JSONDecodeError: "),
        (whole(b"200 OK", b"{}"), "KeyError: 'experiment'"),
        (
            whole(
                b"403 No", b'{"error_code": "PERMISSION_DENIED", "message": "no\\nno"}'
            ),
            "MlflowError: PERMISSION_DENIED: no no",
        ),
        (lambda connection: None, "ConnectionError: "),
    ],
)
def test_a_server_of_something_else_is_a_line_of_warning(answer, problem, caplog):
    with answering(answer) as uri:
        [line] = warnings_of(uri, caplog)
    assert line.startswith(f"Warning: MLflow at {uri} has no complete copy: {problem}")
    assert "\n" not in line


def test_no_server_is_a_line_of_warning(caplog):
    [line] = warnings_of(f"http://127.0.0.1:{free_port()}", caplog)
    assert "has no complete copy: ConnectionError" in line


def test_a_slow_server_is_left_after_the_limit(caplog, monkeypatch):
    monkeypatch.setattr(mirror, "LIMIT_SECONDS", 0.5)  # the answer would take 500 s
    with answering(trickle) as uri:
        [line] = warnings_of(uri, caplog)
    assert line.endswith("has no complete copy: not finished within 0.5 s")


def test_without_an_address_nothing_happens(caplog):
    assert warnings_of(None, caplog) == []


def test_settings_have_dotted_names_and_no_secrets_or_queries():
    values = {
        "data": {
            "source": "postgresql://h/shop#SELECT * FROM r\nWHERE user_id = 'ann'"
        },
        "beam": {"args": ["--x=postgresql://me:hunter2@h/d"], "workers": None},
        "gate": {"floors": {"ndcg@10": 0.5}},
        "models": {"popularity": {}},
    }
    assert dict(mirror.params(values)) == {
        "data.source": "postgresql://h/shop#(query)",
        "beam.args": "['--x=postgresql://me:***@h/d']",
        "beam.workers": "None",
        "gate.floors.ndcg_at_10": "0.5",
        "models.popularity": "{}",
    }


def test_only_what_was_measured_is_a_metric():
    model = ModelRecord(
        "ease",
        "trained",
        "passed",
        metrics={"auc": None, "ndcg@10": 0.25},
        parameters=7,
    )
    assert dict(mirror.metrics(make_record(models=[model]))) == {
        "ease/ndcg_at_10": 0.25,
        "ease/parameters": 7.0,
    }


@pytest.mark.parametrize(
    "uri", ["http://me:hunter2@mlflow:5000", "mlflow:5000", "http://mlflow/?token=x"]
)
def test_an_address_with_an_account_or_without_a_scheme_is_refused(uri):
    from pipeline.config.errors import ConfigError

    with pytest.raises(ConfigError, match=r"mlflow\.uri") as refused:
        load_config(None, [f"mlflow.uri={uri}"])
    assert "hunter2" not in str(refused.value)
