"""Traces a live model back to its data, step by step in the ML Metadata store.

Pusher → Champion → Trainer → Transform → RatingsExampleGen → the files. The store
records the inputs of each step, its settings and its code. What the steps counted and
decided is read from their artifacts, and is omitted if those have been removed.
"""

from pipeline.lineage.accepted_data import (
    AcceptedData,
    Needed,
    NoAcceptedDataError,
    accepted_data,
    needed_by_versions,
)
from pipeline.lineage.records import Data, Judgement, Lineage, SourceFile, Step
from pipeline.lineage.store import NoLineageError
from pipeline.lineage.trace import LIVE, data_fingerprint, of

__all__ = [
    "LIVE",
    "AcceptedData",
    "Data",
    "Judgement",
    "Lineage",
    "Needed",
    "NoAcceptedDataError",
    "NoLineageError",
    "SourceFile",
    "Step",
    "accepted_data",
    "data_fingerprint",
    "needed_by_versions",
    "of",
]
