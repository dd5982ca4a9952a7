"""Where a live model came from: asked of the ML Metadata store, step by step.

Pusher → Champion → Trainer → Transform → RatingsExampleGen → the files. The store says
what was made of what, with which settings and code; what the steps counted and decided
stands in their artifacts, and is left out where those are gone.
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
from pipeline.lineage.trace import LIVE, of

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
    "needed_by_versions",
    "of",
]
