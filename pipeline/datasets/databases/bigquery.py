"""Reads a query of BigQuery with Google's client and its Storage API.

There is no BigQuery here: this is checked against the client's types, and only a
missing account has been tried.
"""

from collections.abc import Iterator

import pyarrow as pa
from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery, bigquery_storage

ERRORS = (GoogleAPIError, GoogleAuthError, OSError, ValueError, pa.ArrowException)
TABLES = "SELECT table_name FROM INFORMATION_SCHEMA.TABLES ORDER BY 1"


def batches(place: str, query: str) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a query, all as they were at one moment."""
    project, _, dataset = place.partition("/")
    config = bigquery.QueryJobConfig(default_dataset=f"{project}.{dataset}")
    with bigquery.Client(project=project, default_query_job_config=config) as client:
        rows = client.query(query).result()
        # Several streams would arrive in another order each time.
        yield from rows.to_arrow_iterable(
            bigquery_storage.BigQueryReadClient(),  # type: ignore[no-untyped-call]
            max_stream_count=1,
        )
