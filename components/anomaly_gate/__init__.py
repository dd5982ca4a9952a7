"""Stops a run whose data does not fit the schema.

The component is ``components.anomaly_gate.component.AnomalyGate``. What is exported
here imports no TFX.
"""

from components.anomaly_gate.anomalies import AnomaliesError, Anomaly

__all__ = ["AnomaliesError", "Anomaly"]
