"""TFX's ImportSchemaGen, which notices that the schema was edited."""

from tfx import v1 as tfx

from components.anomaly_gate.driver import Driver


class ImportSchemaGen(tfx.components.ImportSchemaGen):
    """Copies a schema file to an artifact, anew whenever its content changes."""

    DRIVER_CLASS = Driver
