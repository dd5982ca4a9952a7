"""There is no BigQuery here: reading its rows has not been executed."""

import pytest

from pipeline.datasets.databases.address import parse
from pipeline.datasets.databases.copy_rows import copy_rows
from pipeline.datasets.errors import DatasetError


def test_an_address_names_a_project_and_a_data_set():
    address = parse("bigquery://a-project/shop#ratings")
    assert (address.kind, address.place) == ("bigquery", "a-project/shop")
    assert address.query == "SELECT * FROM ratings"


def test_only_a_missing_account_is_tested(copied, reported, monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with pytest.raises(DatasetError, match=r"bigquery://.*key\.json was not found"):
        copy_rows("bigquery://a-project/shop#ratings", copied, reported)
    assert copied.read_bytes() == b"the last copy"
