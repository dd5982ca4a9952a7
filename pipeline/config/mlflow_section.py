"""The settings of the copy of runs and versions on a server of MLflow."""

import msgspec

from pipeline.config.types import HttpAddress, RegisteredName, Text


class MlflowConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where runs and versions are copied to; no run depends on it.

    Attributes:
        uri: Address of an MLflow server, as in http://mlflow:5000; null for none.
            MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment, or
            MLFLOW_TRACKING_TOKEN, are its account (docs/integrations.md).
        experiment: Name of the experiment of the runs; created if there is none.
        model: Name of the registered model of the versions; created if there is none.
    """

    uri: HttpAddress | None = None
    experiment: Text = "marquee"
    model: RegisteredName = "marquee"
