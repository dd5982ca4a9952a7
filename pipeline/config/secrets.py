"""Rejects secrets in settings, and masks them in messages.

The configuration of a run is written to its record, report and log, to the metadata
store and to a cluster's manifests, all of which have more readers than a password may
have. So a value that is recognisable as a secret is rejected before anything is
written; the client that needs it reads it from the environment.
"""

import re
from collections.abc import Iterator
from typing import Any

_WORDS = (
    "secret|passw(?:or)?d|token|credential|api_?key|access_?key|private_?key|"
    "account_?key|connection_?string|signature|authorization"
)
# An assignment in a flag, in a URL's query or in a connection string.
_ASSIGNED = re.compile(
    rf"(?P<name>[\w.-]*(?:{_WORDS})[\w.-]*)(?P<sign>[=\s]\s*)(?P<value>[^\s&;,'\"\]]+)",
    re.IGNORECASE,
)
_SHARED_ACCESS = re.compile(r"(?P<name>[?&]sig)(?P<sign>=)(?P<value>[^\s&]+)")
_IN_URL = re.compile(
    r"(?P<name>[a-z][a-z0-9+.-]*://[^/\s@:]*)(?P<sign>:)(?P<value>[^/\s@]+)(?=@)"
)
# A password may contain what would end it in another URL.
_IN_DATABASE_URL = re.compile(
    r"(?P<name>(?:mysql|mariadb|postgres)[a-z0-9+]*://[^\s@:]*)(?P<sign>:)(?P<value>\S+)(?=@)"
)
_KEYS = re.compile(
    r"(?P<name>)(?P<sign>)(?P<value>\bA(?:KI|SI)A[0-9A-Z]{16}\b|"
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\bBearer \S+)"
)
_PATTERNS = (_IN_DATABASE_URL, _IN_URL, _ASSIGNED, _SHARED_ACCESS, _KEYS)
_SOURCE_ACCOUNT = "MARQUEE_SOURCE_USER and MARQUEE_SOURCE_PASSWORD"
_VARIABLES = {
    "data.source": _SOURCE_ACCOUNT,
    "data.items": _SOURCE_ACCOUNT,
    "data.users": _SOURCE_ACCOUNT,
    "tuner.storage": "MARQUEE_STUDIES_USER and MARQUEE_STUDIES_PASSWORD",
    "mlflow.uri": "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    "s3_access_key_id": "AWS_ACCESS_KEY_ID",
    "s3_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "s3_session_token": "AWS_SESSION_TOKEN",
    "azure_connection_string": "AZURE_STORAGE_CONNECTION_STRING",
}
_ANY_VARIABLE = (
    "the environment variable that its client reads (AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, AZURE_STORAGE_CONNECTION_STRING, "
    "GOOGLE_APPLICATION_CREDENTIALS …)"
)


def problem(values: Any) -> tuple[str, str] | None:
    """Returns the first secret among settings: its dotted key, and what to do instead.

    Args:
        values: The settings: nested mappings and lists.
    """
    for key, text in _texts(values, ""):
        for pattern in _PATTERNS:
            if found := pattern.search(text):
                name = found["name"].lstrip("-?&")
                variable = _VARIABLES.get(key) or _VARIABLES.get(
                    name.lower(), _ANY_VARIABLE
                )
                what = f"{name} is" if name and "://" not in name else "it contains"
                return key, (
                    f"{what} a secret, and settings are written to records, logs and "
                    f"manifests; leave it out, and set {variable}"
                )
    return None


def masked(text: str) -> str:
    """Returns a text with every secret replaced by asterisks."""
    for pattern in _PATTERNS:
        text = pattern.sub(r"\g<name>\g<sign>***", text)
    return text


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yields every text, with the dotted key of the setting that contains it."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)
