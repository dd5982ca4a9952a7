"""The driver of RatingsExampleGen, which decides what an execution reads."""

from typing import Any

from tfx.components.example_gen import driver, utils
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.exec_properties import ExecProperties
from components.ratings_example_gen import files, spans
from components.ratings_example_gen.execution_input import (
    find_input,
    packed,
    read_settings,
    unpacked,
)
from components.ratings_example_gen.fingerprints import fingerprint
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.recognise.reading_report import check_same
from components.ratings_example_gen.recorded_reading import recorded_reading


class RatingsDriver(driver.FileBasedDriver):
    """Finds span and version as TFX does, and the files that are really read.

    TFX's own fingerprint covers only files directly under the pattern and rounds times
    to a second; this one covers every part, and the file of users wherever it is. The
    driver also chooses the spans of a window: a pipeline is compiled once for a
    cluster, and finds other spans in every run.
    """

    def resolve_exec_properties(
        self, exec_properties: ExecProperties, pipeline_info: Any, component_info: Any
    ) -> ExecProperties:
        """Adds span, version and fingerprint to the execution's properties.

        Raises:
            SpansError: If a window is wanted and no span is complete.
            BadInputError: If a guess would read the spans of a window differently from
                those of an earlier run.
        """
        nothing_found = {
            utils.SPAN_PROPERTY_NAME: 0,
            utils.VERSION_PROPERTY_NAME: None,
        }
        resolved: ExecProperties = exec_properties | nothing_found
        if _is_to_be_resolved(exec_properties):
            resolved = super().resolve_exec_properties(
                exec_properties, pipeline_info, component_info
            )
        is_window = bool(unpacked(resolved).window)
        settings = read_settings(resolved)
        resolved[standard_component_specs.CUSTOM_CONFIG_KEY] = (
            proto_utils.proto_to_json(packed(settings))
        )
        found = find_input(resolved, settings)
        if is_window:
            self._check_reading(found.layout, found.base)
        resolved[utils.FINGERPRINT_PROPERTY_NAME] = fingerprint(found.paths)
        if settings.spans:
            resolved[utils.SPAN_PROPERTY_NAME] = spans.number_of(settings.spans[-1])
        return resolved

    def _check_reading(self, layout: Layout, base: str) -> None:
        """Compares how the spans of a window are read with how an earlier run did.

        Only on a cluster: ``marquee retrain`` names its spans and compares them.
        """
        earlier = recorded_reading(self._mlmd_connection, base)
        if earlier and layout.reading:
            check_same(earlier, layout.reading, base)


def _is_to_be_resolved(exec_properties: ExecProperties) -> bool:
    """Returns whether TFX is to find the newest span and version.

    It lists objects with TensorFlow, which reads S3 only with a plugin.
    """
    config = exec_properties[standard_component_specs.INPUT_CONFIG_KEY]
    base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
    pattern = (
        proto_utils.json_to_proto(config, example_gen_pb2.Input()).splits[0].pattern
    )
    return "{" in pattern or not files.is_remote(base)
