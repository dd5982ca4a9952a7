"""What TFX's cache has to know of DriftGate's surroundings."""

from pathlib import Path

from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types_utils, metadata
from tfx.orchestration.portable import base_driver as portable_base_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

from components.live_models import versions

LIVE_MODEL = "live_model"


class Driver(base_driver.BaseDriver, portable_base_driver.BaseDriver):
    """Adds what is live to what makes DriftGate run again: it compares with that."""

    def __init__(self, metadata_handle: metadata.Metadata):
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_base_driver.BaseDriver.__init__(self, metadata_handle)

    def run(
        self, execution_info: data_types.ExecutionInfo
    ) -> driver_output_pb2.DriverOutput:
        """Returns the one property that is added."""
        live = versions.live(Path(execution_info.exec_properties["live_folder"]))
        result = driver_output_pb2.DriverOutput()
        data_types_utils.set_metadata_value(
            result.exec_properties[LIVE_MODEL], str(live.folder) if live else ""
        )
        return result
