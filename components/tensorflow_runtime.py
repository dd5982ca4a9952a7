"""The parts of TensorFlow that load and run an exported model (``tensorflow_parts``).

Commands that answer from a model import these, and not ``tensorflow``.
"""

from components.tensorflow_parts import imported_alone

with imported_alone():
    from tensorflow.python import tf2

    # As the first lines of tensorflow/__init__.py do: it decides between variables of
    # version 1 and 2 in the modules below, should the whole package be imported later.
    tf2.enable()
    from tensorflow.core.framework import types_pb2
    from tensorflow.core.protobuf import config_pb2, saved_model_pb2
    from tensorflow.python.client.session import Session
    from tensorflow.python.framework import dtypes, errors, op_def_registry
    from tensorflow.python.framework.ops import Graph
    from tensorflow.python.saved_model import loader_impl, tag_constants

__all__ = [
    "Graph",
    "Session",
    "config_pb2",
    "dtypes",
    "errors",
    "loader_impl",
    "op_def_registry",
    "saved_model_pb2",
    "tag_constants",
    "types_pb2",
]
