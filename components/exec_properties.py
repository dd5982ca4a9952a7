"""The type of a step's execution properties."""

from typing import Any

ExecProperties = dict[str, Any]  # name → value, as TFX passes them
