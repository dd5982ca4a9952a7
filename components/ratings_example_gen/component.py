"""RatingsExampleGen: rating logs in, one Example per user and split out."""

from typing import Any

from google.protobuf import any_pb2, wrappers_pb2
from tfx.components.example_gen import driver, utils
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.exec_properties import ExecProperties
from components.ratings_example_gen import spans
from components.ratings_example_gen.executor import (
    Executor,
    find_input,
    read_settings,
    unpacked,
)
from components.ratings_example_gen.fingerprints import fingerprint
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.recognise.reading_report import check_same
from components.ratings_example_gen.recorded_reading import recorded_reading
from components.ratings_example_gen.settings import Settings
from trainer_modules.features import SPLITS


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
        resolved: ExecProperties = super().resolve_exec_properties(
            exec_properties, pipeline_info, component_info
        )
        is_window = bool(unpacked(resolved).window)
        settings = read_settings(resolved)
        resolved[standard_component_specs.CUSTOM_CONFIG_KEY] = (
            proto_utils.proto_to_json(_packed(settings))
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


class RatingsExampleGen(FileBasedExampleGen):
    """Reads MovieLens's layouts and a person's own files (see ``recognise``).

    Outputs ``examples`` with the splits train, eval and test. The artifact's folder
    also contains ``counts.json`` and, if bad rows were allowed and found,
    ``quarantine.jsonl``.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = RatingsDriver

    def __init__(
        self,
        input_base: str,
        settings: Settings | None = None,
        pattern: str = "*",
        range_config: range_config_pb2.RangeConfig | None = None,
    ):
        """Makes the component.

        Args:
            input_base: Folder of the dataset.
            settings: How the files are read and split.
            pattern: Glob of the files under it. It may contain ``{SPAN}`` and
                ``{VERSION}``; the newest is used.
            range_config: Selects a given span instead of the newest.
        """
        split = example_gen_pb2.Input.Split(name="ratings", pattern=pattern)
        # TFX requires the hash buckets; the executor makes the splits itself.
        output_splits = [
            example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=1)
            for name in SPLITS
        ]
        super().__init__(
            input_base=input_base,
            input_config=example_gen_pb2.Input(splits=[split]),
            output_config=example_gen_pb2.Output(
                split_config=example_gen_pb2.SplitConfig(splits=output_splits)
            ),
            custom_config=_packed(settings or Settings()),
            range_config=range_config,
        )


def _packed(settings: Settings) -> example_gen_pb2.CustomConfig:
    """Packs the settings as TFX takes them; ``executor.unpacked`` unpacks them."""
    packed = any_pb2.Any()
    packed.Pack(wrappers_pb2.StringValue(value=settings.to_json()))
    return example_gen_pb2.CustomConfig(custom_config=packed)
