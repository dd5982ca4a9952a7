"""Storages that cannot be used are described in one line, without the password."""

import re
import socket

import pytest
from optuna.study import StudyDirection

from tests.support import databases
from trainer_modules.tuning import storage as subject
from trainer_modules.tuning.storage import FileStorage, SqlStorage, StorageError

URLS = ("mysql://127.0.0.1:{port}/studies", "postgresql://127.0.0.1:{port}/studies")


@pytest.fixture
def problem(monkeypatch):
    """Returns the message of the error with which a storage is opened."""

    def message(url, password="a wrong password"):
        monkeypatch.setenv(subject.USER, databases.USER)
        monkeypatch.setenv(subject.PASSWORD, password)
        with pytest.raises(StorageError) as error:
            SqlStorage(url, "m")
        assert password not in str(error.value)
        assert len(str(error.value).splitlines()) == 1
        return str(error.value)

    return message


@pytest.mark.parametrize("url", URLS)
def test_no_server(url, problem):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        url = url.format(port=closed.getsockname()[1])
        message = problem(url)
    assert message.startswith(f"tuner.storage: {url}: Can't ")
    assert "connect" in message


def test_another_kind_of_database(problem):
    assert problem("oracle://h:1/studies") == (
        "tuner.storage: oracle is not supported; choose from mysql, postgresql"
    )


def test_no_account(monkeypatch):
    monkeypatch.delenv(subject.USER, raising=False)
    with pytest.raises(StorageError, match=r"MARQUEE_STUDIES_USER and MARQUEE_STUDIES"):
        SqlStorage("mysql://h:1/studies", "m")


@pytest.mark.kubeflow
@pytest.mark.parametrize("database", ["mysql", "postgresql"])
def test_a_wrong_password(database, request, problem):
    url = request.getfixturevalue(database)
    message = problem(url)
    assert message.startswith(f"tuner.storage: {url}: ")
    assert re.search("Access denied|password authentication failed", message)


@pytest.mark.kubeflow
@pytest.mark.parametrize("database", ["mysql", "postgresql"])
def test_a_missing_database(database, request, problem):
    url = request.getfixturevalue(database).replace("/studies", "/missing")
    message = problem(url, databases.PASSWORD)
    assert message.startswith(f"tuner.storage: {url}: ")
    assert re.search("denied.*'missing'|\"missing\" does not exist", message)


@pytest.mark.kubeflow
@pytest.mark.parametrize("database", ["mysql", "postgresql"])
def test_a_lock_is_free_once_its_connection_is_lost(database, request):
    """And the process that had it does not continue as if it still did."""
    url = request.getfixturevalue(database)
    first, second = SqlStorage(url, "lost"), SqlStorage(url, "lost")
    with first.turn():
        first.hold(0)
    assert second.is_held(0)
    assert not second.is_held(1)
    own = {
        "mysql": "SELECT CONNECTION_ID()",
        "postgresql": "SELECT pg_backend_pid()",
    }[database]
    number = first._connection.exec_driver_sql(own).scalar()
    end = {
        "mysql": f"KILL {number}",
        "postgresql": f"SELECT pg_terminate_backend({number}, 60000)",
    }
    second._connection.exec_driver_sql(end[database])
    with second.turn():
        assert not second.is_held(0)
    with pytest.raises(StorageError, match="^tuner.storage: "), first.turn():
        pass
    with pytest.raises(StorageError), first.turn():
        pass


def trials(storage, study):
    return [trial.params for trial in storage.trials.get_all_trials(study)]


@pytest.mark.parametrize("rest", [b'{"op_code":99,"w', b"\xc3", b" " * 5000])
def test_a_line_that_was_written_in_part_does_not_remain(tmp_path, rest):
    """As a killed process leaves it, or a full disk; others go on with the study."""
    journal = tmp_path / "m.journal"
    living = FileStorage(journal)
    study = living.trials.create_new_study([StudyDirection.MAXIMIZE], "study")
    for _ in range(2):
        living.trials.create_new_trial(study)
    with journal.open("ab") as file:
        file.write(rest)
    assert len(trials(FileStorage(journal), study)) == 2
    living.trials.create_new_trial(study)
    FileStorage(journal).trials.create_new_trial(study)
    assert len(trials(living, study)) == len(trials(FileStorage(journal), study)) == 4
    assert rest not in journal.read_bytes()


def test_a_damaged_journal(tmp_path):
    journal = tmp_path / "m.journal"
    journal.write_bytes(b"garbage\n{}\n")
    with pytest.raises(
        StorageError, match=r"m\.journal is damaged: .*; the study then"
    ):
        FileStorage(journal)
