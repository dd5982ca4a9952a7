"""The databases in which studies are stored; each is its URL."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.support import databases
from trainer_modules.tuning import storage


@pytest.fixture(scope="session")
def mysql(
    tmp_path_factory: pytest.TempPathFactory, studies_account: None
) -> Iterator[str]:
    """MariaDB."""
    with databases.mariadb(tmp_path_factory.mktemp("mariadb")) as server:
        yield _url("mysql", server)


@pytest.fixture(scope="session")
def postgresql(
    tmp_path_factory: pytest.TempPathFactory, studies_account: None
) -> Iterator[str]:
    """PostgreSQL."""
    with databases.postgresql(tmp_path_factory.mktemp("postgresql")) as server:
        yield _url("postgresql", server)


@pytest.fixture(scope="session")
def studies_account() -> Iterator[None]:
    """The databases' account, in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(storage.USER, databases.USER)
        patch.setenv(storage.PASSWORD, databases.PASSWORD)
        yield


def _url(kind: str, server: SimpleNamespace) -> str:
    return f"{kind}://{server.host}:{server.port}/{databases.STUDIES}"
