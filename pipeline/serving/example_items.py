"""Counts the candidates of a serialized Example without TensorFlow.

So a request that is too large is refused before the model has to parse it.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from pipeline.serving.json_tensors import Tensors, check_items
from pipeline.serving.settings import ServingSettings
from trainer_modules import features as f

MIN_BYTES = 3  # the least that a candidate takes: tag, length, an ID
_Field = descriptor_pb2.FieldDescriptorProto
# Message → its fields: name, number, type. As in TensorFlow's example.proto and
# feature.proto, without the other kinds of values; a map is a repeated entry.
_MESSAGES = {
    "Bytes": (("value", 1, "[bytes]"),),
    "Feature": (("bytes_list", 1, "Bytes"),),
    "Entry": (("key", 1, "bytes"), ("value", 2, "Feature")),
    "Features": (("feature", 1, "[Entry]"),),
    "Example": (("features", 1, "Features"),),
}


def _example_class() -> type:
    file = descriptor_pb2.FileDescriptorProto(name="marquee_example.proto")
    file.package, file.syntax = "marquee", "proto3"
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            type_name = kind.strip("[]")
            is_bytes = type_name == "bytes"
            message.field.add(
                name=field,
                number=number,
                label=_Field.LABEL_REPEATED
                if kind[0] == "["
                else _Field.LABEL_OPTIONAL,
                type=_Field.TYPE_BYTES if is_bytes else _Field.TYPE_MESSAGE,
                type_name=None if is_bytes else f".marquee.{type_name}",
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("marquee.Example")
    )


_Example = _example_class()


def num_candidates(example: bytes) -> int:
    """Returns the number of candidates; 0 for bytes that are not an Example."""
    try:
        entries = _Example.FromString(example).features.feature  # type: ignore[attr-defined]
    except DecodeError:
        return 0  # the model's error explains it
    counts = [
        len(entry.value.bytes_list.value)
        for entry in entries
        if entry.key == f.CANDIDATE_ITEM_ID.encode()
    ]
    return counts[-1] if counts else 0


def check_examples(inputs: Tensors, settings: ServingSettings) -> None:
    """Refuses Examples with too many rows times candidates.

    Raises:
        RequestError: If there are more than ``max_items`` (413).
    """
    examples = inputs["examples"]
    for example in examples:
        if len(examples) * len(example) // MIN_BYTES > settings.max_items:
            check_items(len(examples) * num_candidates(example), settings)
