"""What TFX's cache has to know of Champion's surroundings."""

from pathlib import Path

from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types_utils, metadata
from tfx.orchestration.portable import base_driver as portable_base_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

from components.live_models import version_ledger

LIVE_LIFE = "live_life"


class Driver(base_driver.BaseDriver, portable_base_driver.BaseDriver):
    """Adds the live folder's life to what makes Champion run again.

    A driver, as it looks when the step is about to run: a pipeline for a cluster is
    laid out once, and runs many times.
    """

    def __init__(self, metadata_handle: metadata.Metadata):
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_base_driver.BaseDriver.__init__(self, metadata_handle)

    def run(
        self, execution_info: data_types.ExecutionInfo
    ) -> driver_output_pb2.DriverOutput:
        """Returns the one property that is added."""
        life = version_ledger.life(Path(execution_info.exec_properties["live_folder"]))
        result = driver_output_pb2.DriverOutput()
        data_types_utils.set_metadata_value(result.exec_properties[LIVE_LIFE], life)
        return result
