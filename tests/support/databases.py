"""Starts real databases on loopback, with an account and an empty database each."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

USER, PASSWORD = "marquee", "a password of these tests"
HASTY = "hasty"  # has the same password, and may only read, for a second per query
STUDIES = "studies"  # an empty database


@contextlib.contextmanager
def mariadb(folder: Path, *options: str) -> Iterator[SimpleNamespace]:
    """MariaDB in a folder, with more options of the server; its host and port.

    The account may also create the database ``marquee``.
    """
    _require("mariadb-server", "mariadb-install-db", "mariadbd")
    user = ["--user=root"] if os.getuid() == 0 else []
    subprocess.run(
        [
            *("mariadb-install-db", "--no-defaults", f"--datadir={folder}/data"),
            *("--auth-root-authentication-method=normal", "--skip-test-db", *user),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    accounts = folder / "accounts.sql"
    accounts.write_text(
        f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';"
        f"\nGRANT ALL ON marquee.* TO '{USER}'@'%';"
        f"\nCREATE DATABASE {STUDIES};"
        f"\nGRANT ALL ON {STUDIES}.* TO '{USER}'@'%';"
        f"\nCREATE USER '{HASTY}'@'%' IDENTIFIED BY '{PASSWORD}'"
        "\nWITH MAX_STATEMENT_TIME 1;"
        f"\nGRANT SELECT ON {STUDIES}.* TO '{HASTY}'@'%';\n"
    )
    port = free_port()
    command = [
        *("mariadbd", "--no-defaults", f"--datadir={folder}/data", *user),
        *(f"--socket={folder}/socket", "--bind-address=127.0.0.1"),
        *(f"--port={port}", f"--init-file={accounts}", *options),
    ]
    with served(command, port, folder / "log", signal.SIGTERM):
        yield SimpleNamespace(host="127.0.0.1", port=port)


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[SimpleNamespace]:
    """PostgreSQL in a folder; its host and port."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    path = f"{os.environ['PATH']}:{programs[-1] if programs else ''}"
    _require("postgresql", "initdb", "postgres", path=path)
    initdb, postgres, psql = (
        str(shutil.which(name, path=path)) for name in ("initdb", "postgres", "psql")
    )
    as_user: list[str] = []
    if os.getuid() == 0:  # as which it does not run; Debian's package has this user
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    # pytest's folders are closed to other users.
    data = Path(subprocess.check_output([*as_user, "mktemp", "-d"], text=True).strip())
    password = data / "password"
    subprocess.run([*as_user, "tee", password], input=PASSWORD, text=True, check=True)
    try:
        subprocess.run(
            [
                *(*as_user, initdb, f"--pgdata={data}/data", f"--username={USER}"),
                *("--auth=scram-sha-256", f"--pwfile={password}", "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        port = free_port()
        command = [
            *(*as_user, postgres, "-D", f"{data}/data", "-p", str(port)),
            *(
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                f"unix_socket_directories={data}",
            ),
        ]
        with served(command, port, folder / "log", signal.SIGINT):
            create = [psql, "-h", "127.0.0.1", "-p", str(port), "-U", USER, "postgres"]
            subprocess.run(
                [*create, "--quiet", "--command", f"CREATE DATABASE {STUDIES}"],
                env=os.environ | {"PGPASSWORD": PASSWORD},
                check=True,
            )
            yield SimpleNamespace(host="127.0.0.1", port=port)
    finally:
        shutil.rmtree(data)


def _require(package: str, *programs: str, path: str | None = None) -> None:
    missing = [name for name in programs if not shutil.which(name, path=path)]
    if missing:
        pytest.fail(f"no {missing[0]}: apt-get install {package} (Debian, Ubuntu)")


def free_port() -> int:
    """Returns a port on loopback that no server uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def served(
    command: Sequence[str],
    port: int,
    log: Path,
    end: signal.Signals,
    env: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Runs a server, which accepts connections inside the context."""
    with open(log, "w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, env=env)
    try:
        limit = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > limit:
                    pytest.fail(f"{command[0]}: {log.read_text()}")
                time.sleep(0.2)
        yield
    finally:
        server.send_signal(end)
        server.wait(60)
