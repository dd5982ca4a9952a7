"""What an execution of RatingsExampleGen is to read, by its properties.

Driver, executor and component share this. It imports neither TensorFlow nor Beam.
"""

import dataclasses

from google.protobuf import any_pb2, wrappers_pb2
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.exec_properties import ExecProperties
from components.ratings_example_gen import files, input_errors, spans
from components.ratings_example_gen.recognise.recognition import recognise_for
from components.ratings_example_gen.recognised_input import RecognisedInput
from components.ratings_example_gen.settings import KINDS_BY_TIME, Settings
from components.ratings_example_gen.side_files.find import find_side_files
from components.ratings_example_gen.side_files.users import describe_users


def packed(settings: Settings) -> example_gen_pb2.CustomConfig:
    """Packs the settings as TFX takes them; ``unpacked`` unpacks them."""
    packed = any_pb2.Any()
    packed.Pack(wrappers_pb2.StringValue(value=settings.to_json()))
    return example_gen_pb2.CustomConfig(custom_config=packed)


def unpacked(exec_properties: ExecProperties) -> Settings:
    """Returns the settings that the component packed into ``custom_config``."""
    config = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(
        exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY], config
    )
    text = wrappers_pb2.StringValue()
    config.custom_config.Unpack(text)
    return Settings.from_json(text.value)


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
