"""Stops a run whose newest span differs from the one the live model was trained on.

The component is ``components.drift_gate.component.DriftGate``; this package
can be imported without TFX.
"""

from components.drift_gate.drift import DriftError, Measured

__all__ = ["DriftError", "Measured"]
