"""The Beam executor of RatingsExampleGen: what TFX calls, and what it records."""

from tfx import types
from tfx.components.example_gen import utils, write_split
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, standard_component_specs

from components.exec_properties import ExecProperties
from components.ratings_example_gen import ingest, input_errors, spans
from components.ratings_example_gen.counts import Counts
from components.ratings_example_gen.execution_input import find_input, read_settings
from components.ratings_example_gen.fingerprints import fingerprint, unchanged
from components.ratings_example_gen.input_errors import BadInputError
from components.ratings_example_gen.recognised_input import RecognisedInput
from components.ratings_example_gen.settings import Settings
from components.wording import counted
from trainer_modules.features import SPLITS

# Field of ``Counts`` → custom property of the artifact.
PROPERTIES = {
    "read": "rows_read",
    "kept": "rows_kept",
    "quarantined": "rows_quarantined",
    "duplicates": "rows_duplicates",
    "merged": "rows_merged",
    "truncated": "rows_truncated",
    "users": "users",
    "items": "items",
}
# Name and fingerprint of the newest span, where the ratings come in spans: later steps
# refer to what was read, not to what the folder contains by then.
NEWEST_SPAN = "newest_span"
NEWEST_SPAN_FINGERPRINT = "newest_span_fingerprint"


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
