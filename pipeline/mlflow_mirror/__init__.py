"""Copies runs and versions to a server of MLflow, on which nothing here depends.

``mirror`` decides what is copied, and ``rest_api`` sends it.
"""

from pipeline.mlflow_mirror.mirror import (
    mirror_run,
    mirror_versions,
    mirror_versions_of,
)

__all__ = ["mirror_run", "mirror_versions", "mirror_versions_of"]
