"""What DriftGate compares with: the model that is live when the step runs."""

from pathlib import Path

from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types_utils, metadata
from tfx.orchestration.portable import base_driver as portable_base_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

from components.pusher import versions


class Driver(base_driver.BaseDriver, portable_base_driver.BaseDriver):
    """Looks into the live folder, so that another live model is another comparison."""

    def __init__(self, metadata_handle: metadata.Metadata):
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_base_driver.BaseDriver.__init__(self, metadata_handle)

    def run(
        self, execution_info: data_types.ExecutionInfo
    ) -> driver_output_pb2.DriverOutput:
        """Returns the folder of the live version as ``live_model``."""
        live = versions.live(Path(execution_info.exec_properties["live_folder"]))
        result = driver_output_pb2.DriverOutput()
        data_types_utils.set_metadata_value(
            result.exec_properties["live_model"], str(live.folder) if live else ""
        )
        return result
