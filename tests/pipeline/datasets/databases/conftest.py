"""Real servers, with the account in the environment; each is its URL and its SQL."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pg8000.dbapi
import pymysql
import pytest

from pipeline.datasets.databases import address
from tests.support import databases


@dataclass(frozen=True)
class Server:
    """A database that runs on loopback."""

    url: str
    connect: Callable[[], Any]

    def run(self, *statements: str) -> list[Any]:
        """Runs statements in one transaction; returns the rows of the last one."""
        connection = self.connect()
        try:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            rows = list(cursor.fetchall()) if cursor.description else []
            connection.commit()
            return rows
        finally:
            connection.close()


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with databases.postgresql(tmp_path_factory.mktemp("postgresql")) as server:
        yield _server("postgresql", pg8000.dbapi.connect, server)


@pytest.fixture(scope="session")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with databases.mariadb(tmp_path_factory.mktemp("mariadb")) as server:
        yield _server("mysql", pymysql.connect, server)


@pytest.fixture(params=["postgresql", "mysql"])
def server(request, account) -> Server:
    return request.getfixturevalue(request.param)


@pytest.fixture
def account(monkeypatch):
    monkeypatch.setenv(address.USER, databases.USER)
    monkeypatch.setenv(address.PASSWORD, databases.PASSWORD)


@pytest.fixture
def copied(tmp_path) -> Path:
    """The file of an earlier copy."""
    path = tmp_path / "ratings" / "ratings.parquet"
    path.parent.mkdir()
    path.write_bytes(b"the last copy")
    return path


def _server(kind, connect, server):
    def connected():
        return connect(
            host=server.host,
            port=server.port,
            user=databases.USER,
            password=databases.PASSWORD,
            database=databases.STUDIES,
        )

    return Server(
        f"{kind}://{server.host}:{server.port}/{databases.STUDIES}", connected
    )
