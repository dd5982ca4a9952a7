"""Stops a run whose newest span is not like the one that the live model learned from.

The component is ``components.drift_gate.component.DriftGate``; what is here imports
without TFX.
"""

from components.drift_gate.drift import DriftError, Measured

__all__ = ["DriftError", "Measured"]
