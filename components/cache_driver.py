"""A TFX driver that adds what a step reads besides its inputs to the cache key."""

from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types_utils, metadata
from tfx.orchestration.portable import base_driver as portable_base_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

from components.exec_properties import ExecProperties


class CacheDriver(base_driver.BaseDriver, portable_base_driver.BaseDriver):
    """Computes further execution properties right before a step runs.

    TFX's cache compares inputs and execution properties, but not the content of a
    folder that a step reads by its path. A subclass describes such a folder as text;
    when the text changes, the step runs again. This must happen in a driver: a pipeline
    for a cluster is compiled once and runs many times.
    """

    def __init__(self, metadata_handle: metadata.Metadata):
        # TFX checks for the first base class when it compiles, and calls the second.
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_base_driver.BaseDriver.__init__(self, metadata_handle)

    def added_properties(self, exec_properties: ExecProperties) -> dict[str, str]:
        """Returns the properties to add, given those that the pipeline set."""
        raise NotImplementedError

    def run(
        self, execution_info: data_types.ExecutionInfo
    ) -> driver_output_pb2.DriverOutput:
        """Returns the added properties in the form that TFX expects."""
        output = driver_output_pb2.DriverOutput()
        added = self.added_properties(execution_info.exec_properties)
        for name, value in added.items():
            data_types_utils.set_metadata_value(output.exec_properties[name], value)
        return output
