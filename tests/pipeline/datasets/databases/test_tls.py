"""A real MariaDB with a certificate for localhost, by an authority of these tests."""

import subprocess

import pyarrow.parquet as pq
import pytest

from pipeline.datasets.databases.copy_rows import copy_rows
from pipeline.datasets.errors import DatasetError
from tests.support import databases

pytestmark = pytest.mark.sources

CIPHER = (
    "SELECT variable_value AS cipher FROM information_schema.session_status "
    "WHERE variable_name = 'Ssl_cipher'"
)


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The place of the server, and the folder of ``ca.pem`` and ``other.pem``."""
    folder = tmp_path_factory.mktemp("tls")
    new = ("req", "-newkey", "rsa:2048", "-nodes")
    for name in ("ca", "other"):
        authority = (*new, "-x509", "-keyout", f"{name}.key", "-out", f"{name}.pem")
        openssl(folder, *authority, "-subj", f"/CN={name}")
    openssl(folder, *new, "-keyout", "key", "-out", "csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    openssl(
        folder,
        *("x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
        *("-CAcreateserial", "-extfile", "names", "-out", "certificate"),
    )
    options = (f"--ssl-cert={folder}/certificate", f"--ssl-key={folder}/key")
    (folder / "database").mkdir()
    with databases.mariadb(folder / "database", *options) as server:
        yield f"localhost:{server.port}/{databases.STUDIES}", folder


def cipher(place, copied, reported):
    copy_rows(f"mysql://{place}#{CIPHER}", copied, reported)
    [cipher] = pq.read_table(copied)["cipher"].to_pylist()
    return cipher


@pytest.mark.parametrize("mode", ["REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"])
def test_rows_are_encrypted(account, server, copied, reported, mode):
    place, folder = server
    ca = f"&ssl-ca={folder}/ca.pem" if mode.startswith("VERIFY") else ""
    assert cipher(f"{place}?ssl-mode={mode}{ca}", copied, reported).startswith("TLS_")


def test_rows_are_not_encrypted_unless_it_is_set(account, server, copied, reported):
    assert cipher(server[0], copied, reported) == ""


@pytest.mark.parametrize("mode", ["VERIFY_CA", "VERIFY_IDENTITY"])
def test_a_server_of_another_authority_is_refused(
    account, server, copied, reported, mode
):
    place, folder = server
    with pytest.raises(DatasetError, match="certificate verify failed"):
        cipher(f"{place}?ssl-mode={mode}&ssl-ca={folder}/other.pem", copied, reported)
    assert copied.read_bytes() == b"the last copy"


def test_the_name_of_the_server_is_verified_if_it_is_set(
    account, server, copied, reported
):
    place, folder = server
    place = place.replace("localhost", "127.0.0.1")
    ca = f"ssl-ca={folder}/ca.pem"
    assert cipher(f"{place}?ssl-mode=VERIFY_CA&{ca}", copied, reported)
    with pytest.raises(DatasetError, match="not valid for '127.0.0.1'"):
        cipher(f"{place}?ssl-mode=VERIFY_IDENTITY&{ca}", copied, reported)
