"""The Beam executor of RatingsExampleGen: what TFX calls, and what it records."""

import dataclasses

from google.protobuf import wrappers_pb2
from tfx import types
from tfx.components.example_gen import utils, write_split
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.exec_properties import ExecProperties
from components.ratings_example_gen import files, ingest, input_errors, spans
from components.ratings_example_gen.counts import Counts
from components.ratings_example_gen.fingerprints import fingerprint, unchanged
from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.recognise.recognition import recognise_for
from components.ratings_example_gen.recognised_input import RecognisedInput
from components.ratings_example_gen.settings import KINDS_BY_TIME, Settings
from components.ratings_example_gen.side_files.find import find_side_files
from components.ratings_example_gen.side_files.users import describe_users
from components.wording import counted
from trainer_modules.features import SPLITS

# Field of ``Counts`` → custom property of the artifact.
PROPERTIES = {
    "read": "rows_read",
    "kept": "rows_kept",
    "quarantined": "rows_quarantined",
    "duplicates": "rows_duplicates",
    "truncated": "rows_truncated",
    "users": "users",
    "items": "items",
}
# Name and fingerprint of the newest span, where the ratings come in spans: later steps
# refer to what was read, not to what the folder contains by then.
NEWEST_SPAN = "newest_span"
NEWEST_SPAN_FINGERPRINT = "newest_span_fingerprint"


def read_settings(exec_properties: ExecProperties) -> Settings:
    """Returns the settings, with a window replaced by the names of its spans.

    The driver resolves the window and packs the names for the executor, which resolves
    it only under a runner without drivers.

    Raises:
        SpansError: If a window is wanted and no span is complete.
    """
    settings = unpacked(exec_properties)
    if not settings.window:
        return settings
    base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
    chosen = spans.in_window(spans.whole(base), settings.window)
    names = tuple(span.name for span in chosen)
    return dataclasses.replace(settings, spans=names, window="")


def unpacked(exec_properties: ExecProperties) -> Settings:
    """Returns the settings that the component packed into ``custom_config``."""
    config = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(
        exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY], config
    )
    text = wrappers_pb2.StringValue()
    config.custom_config.Unpack(text)
    return Settings.from_json(text.value)


def find_input(exec_properties: ExecProperties, settings: Settings) -> RecognisedInput:
    """Recognises the files that ``input_base`` and the resolved pattern name.

    The driver and the executor both call it: they may run in different processes (and
    pods), some runners have no drivers, and TFX hands only strings and numbers from one
    to the other. The driver's fingerprint ensures that both see the same files.

    Raises:
        BadInputError: If no ratings are found, or they have no times but the split
            needs them.
    """
    input_config = example_gen_pb2.Input()
    proto_utils.json_to_proto(
        exec_properties[standard_component_specs.INPUT_CONFIG_KEY], input_config
    )
    base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
    if settings.spans:
        paths = spans.paths_of(base, settings.spans)
    else:
        paths = files.list_files(base, input_config.splits[0].pattern)
    layout = recognise_for(settings, paths, base)
    if settings.split_kind in KINDS_BY_TIME and not layout.has_timestamps:
        raise input_errors.fatal(
            layout.ratings[0].name,
            input_errors.NO_TIMESTAMPS,
            f"no column of times, which the split {settings.split_kind!r} needs",
            "Name the column (data.columns.timestamp), or set split.kind=random.",
        )
    part = find_side_files(paths, layout.ratings, settings).users
    users = describe_users(part, settings) if part else None
    return RecognisedInput(base, layout, users)


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes one Example per user and split, with counts beside them.

    TFX's base executor of ExampleGens passes records to a sink that shuffles them at
    random; this one writes whole files in a fixed order (see ``write.tfrecords``).
    """

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: ExecProperties,
    ) -> None:
        """Runs the Beam pipeline, records the counts, and refuses bad input.

        Raises:
            BadInputError: If a file cannot be read or changes meanwhile, more rows are
                bad than ``max_bad_fraction`` allows, or a split has no records.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        artifact = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EXAMPLES_KEY]
        )
        settings = read_settings(exec_properties)
        found = find_input(exec_properties, settings)
        # The driver computes it; some runners have no drivers.
        expected = exec_properties.get(utils.FINGERPRINT_PROPERTY_NAME) or fingerprint(
            found.paths
        )
        with (
            unchanged(found.paths, expected),
            self._make_beam_pipeline() as pipeline,
        ):
            ingest.ingest(pipeline, found, settings, artifact.uri)
        counts = Counts.read_from(artifact.uri)
        check(counts, settings)
        artifact.split_names = artifact_utils.encode_split_names(list(SPLITS))
        examples_utils.set_payload_format(
            artifact, exec_properties[standard_component_specs.OUTPUT_DATA_FORMAT_KEY]
        )
        examples_utils.set_file_format(
            artifact,
            write_split.to_file_format_str(
                exec_properties[standard_component_specs.OUTPUT_FILE_FORMAT_KEY]
            ),
        )
        if settings.spans:
            _record_newest_span(artifact, found, settings.spans[-1])
        for name, property_name in PROPERTIES.items():
            artifact.set_int_custom_property(property_name, getattr(counts, name))


def _record_newest_span(
    artifact: types.Artifact, found: RecognisedInput, newest: str
) -> None:
    parts = found.layout.ratings
    paths = {p.path for p in parts if spans.span_of(p.path, found.base) == newest}
    artifact.set_string_custom_property(NEWEST_SPAN, newest)
    artifact.set_string_custom_property(
        NEWEST_SPAN_FINGERPRINT, fingerprint(sorted(paths))
    )


def check(counts: Counts, settings: Settings) -> None:
    """Stops a run whose input could not be read, or has too many bad rows.

    Raises:
        BadInputError: If reading stopped, more rows are bad than ``max_bad_fraction``
            allows, or a split has no records.
    """
    if counts.fatal:
        raise BadInputError(counts.fatal, counts.fatal_by_kind)
    bad, read = counts.quarantined, counts.read
    if bad > settings.max_bad_fraction * read:
        raise BadInputError(
            counts.first_problems,
            counts.bad_by_kind,
            f"{bad:,} of {counted(read, 'row')} {'is' if bad == 1 else 'are'} bad "
            f"({bad / read:.3%}); the limit is {settings.max_bad_fraction:.3%}. "
            "Correct them, or raise data.max_bad_fraction to leave them out.",
        )
    for split, records in counts.records.items():
        if not records:
            raise input_errors.fatal(
                "the ratings",
                input_errors.EMPTY_SPLIT,
                f"the split {settings.split_kind!r} leaves nothing for {split!r}",
                "Provide more ratings, or set another split.kind or other fractions.",
            )
