"""Stops a run whose data does not fit the schema.

The component itself is ``components.anomaly_gate.component.AnomalyGate``; what is here
imports without TFX.
"""

from components.anomaly_gate.anomalies import AnomaliesError, Anomaly

__all__ = ["AnomaliesError", "Anomaly"]
