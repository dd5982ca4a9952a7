"""The Beam executor of RatingsExampleGen: what TFX calls, and what it records."""

import dataclasses
import json
from typing import Any

from google.protobuf import wrappers_pb2
from tfx import types
from tfx.components.example_gen import utils, write_split
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.ratings_example_gen import files, ingest, input_errors, spans
from components.ratings_example_gen.fingerprints import fingerprint, unchanged
from components.ratings_example_gen.input_errors import BadInputError, Problem
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.recognise.recognition import recognise_for
from components.ratings_example_gen.settings import KINDS_BY_TIME, Settings
from components.ratings_example_gen.side_columns import SideTable
from components.ratings_example_gen.side_files import find_side_files
from components.ratings_example_gen.user_features import describe_users
from components.wording import counted
from trainer_modules.features import SPLITS

# Count in counts.json → custom property of the artifact.
PROPERTIES = {
    "read": "rows_read",
    "kept": "rows_kept",
    "quarantined": "rows_quarantined",
    "duplicates": "rows_duplicates",
    "truncated": "rows_truncated",
    "users": "users",
    "items": "items",
}
# Name of the newest span, where the ratings are spans: the steps after this one look at
# what was read, not at what lies in the folder by then.
NEWEST_SPAN = "newest_span"
NEWEST_SPAN_FINGERPRINT = "newest_span_fingerprint"


def read_settings(exec_properties: dict[str, Any]) -> Settings:
    """Returns the settings, with the spans that they mean.

    A window in them becomes the names of the spans that are there now. The driver asks
    for them, and packs what it got; the executor reads that, or looks itself where a
    runner has no drivers.

    Raises:
        SpansError: When a window is wanted, and no span is whole.
    """
    settings = unpacked(exec_properties)
    if not settings.window:
        return settings
    base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
    chosen = spans.in_window(spans.whole(base), settings.window)
    names = tuple(span.name for span in chosen)
    return dataclasses.replace(settings, spans=names, window="")


def unpacked(exec_properties: dict[str, Any]) -> Settings:
    """Returns the settings as the component packed them into ``custom_config``."""
    config = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(
        exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY], config
    )
    text = wrappers_pb2.StringValue()
    config.custom_config.Unpack(text)
    return Settings.from_json(text.value)


@dataclasses.dataclass(frozen=True)
class Input:
    """What is read.

    Attributes:
        layout: The ratings.
        users: The users' side features, None where there are none.
    """

    layout: Layout
    users: SideTable | None

    @property
    def paths(self) -> list[str]:
        """Every file whose bytes decide what the Examples hold."""
        users = [self.users.part] if self.users else []
        return sorted({part.path for part in (*self.layout.ratings, *users)})


def find_input(exec_properties: dict[str, Any], settings: Settings) -> Input:
    """Recognises the files that ``input_base`` and the resolved pattern name.

    Raises:
        BadInputError: When no ratings are among them, or no times where the split needs
            them.
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
            "Name the column (data.columns.timestamp), or take split.kind=random.",
        )
    part = find_side_files(paths, layout.ratings, settings).users
    users = describe_users(part, settings) if part else None
    return Input(layout, users)


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes one Example per user and split, with counts beside them.

    TFX's base executor of ExampleGens hands records to a sink that orders them at
    random; here whole files are written in a fixed order (see ``tfrecords``).
    """

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the pipeline, records the counts, and refuses input that is too bad.

        Raises:
            BadInputError: When a file cannot be read or changed meanwhile, more rows
                are bad than ``max_bad_fraction`` allows, or a split has no records.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        artifact = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EXAMPLES_KEY]
        )
        settings = read_settings(exec_properties)
        found = find_input(exec_properties, settings)
        base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        # Taken by the driver; some runners have no drivers.
        expected = exec_properties.get(utils.FINGERPRINT_PROPERTY_NAME) or fingerprint(
            found.paths
        )
        with (
            unchanged(found.paths, expected),
            self._make_beam_pipeline() as pipeline,
        ):
            ingest.ingest(
                pipeline, found.layout, found.users, settings, base, artifact.uri
            )
        path = f"{artifact.uri}/{ingest.COUNTS_FILE}"
        with files.open_binary(path) as file:
            counts = json.load(file)
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
            newest = settings.spans[-1]
            parts = found.layout.ratings
            paths = {p.path for p in parts if spans.span_of(p.path, base) == newest}
            artifact.set_string_custom_property(NEWEST_SPAN, newest)
            artifact.set_string_custom_property(
                NEWEST_SPAN_FINGERPRINT, fingerprint(sorted(paths))
            )
        for name, property_name in PROPERTIES.items():
            artifact.set_int_custom_property(property_name, counts[name])


def check(counts: dict[str, Any], settings: Settings) -> None:
    """Raises BadInputError for counts that must not go further."""
    if counts["fatal"]:
        raise BadInputError(
            [Problem(**problem) for problem in counts["fatal"]],
            counts["fatal_by_kind"],
        )
    bad, read = counts["quarantined"], counts["read"]
    if bad > settings.max_bad_fraction * read:
        raise BadInputError(
            [Problem(**problem) for problem in counts["first_problems"]],
            counts["bad_by_kind"],
            f"{bad:,} of {counted(read, 'row')} {'is' if bad == 1 else 'are'} bad "
            f"({bad / read:.3%}); allowed are "
            f"{settings.max_bad_fraction:.3%}. Correct them, or raise "
            "data.max_bad_fraction to leave them out.",
        )
    for split, records in counts["records"].items():
        if not records:
            raise input_errors.fatal(
                "the ratings",
                input_errors.EMPTY_SPLIT,
                f"the split {settings.split_kind!r} leaves nothing for {split!r}",
                "Bring more ratings, or choose another split.kind or fractions.",
            )
