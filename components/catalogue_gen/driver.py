"""What TFX's cache has to know of the items: where they are, and if they changed."""

from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types_utils, metadata
from tfx.orchestration.portable import base_driver as portable_base_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

from components.catalogue_gen.executor import find_items
from components.catalogue_gen.reader import items_fingerprint


class Driver(base_driver.BaseDriver, portable_base_driver.BaseDriver):
    """Finds the items when the step runs, as the data may not lie here before."""

    def __init__(self, metadata_handle: metadata.Metadata):
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_base_driver.BaseDriver.__init__(self, metadata_handle)

    def run(
        self, execution_info: data_types.ExecutionInfo
    ) -> driver_output_pb2.DriverOutput:
        """Returns ``items``, empty where there are none, and ``items_fingerprint``."""
        items = find_items(execution_info.exec_properties)
        result = driver_output_pb2.DriverOutput()
        for name, value in (
            ("items", items.name if items else ""),
            ("items_fingerprint", items_fingerprint(items)),
        ):
            data_types_utils.set_metadata_value(result.exec_properties[name], value)
        return result
