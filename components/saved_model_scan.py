"""Checks that a SavedModel can only compute, before it is loaded.

A SavedModel is a program that runs with the rights of the process that loads it: an
operation may read or write files, run Python, or open connections. A model that another
process may have replaced is therefore scanned first. All operations of its graph and
its functions must be among those that a model needs:

- operations without side effects, according to TensorFlow's registry;
- state of the model itself: variables, lookup tables, random numbers, calls;
- files of the model itself: vocabularies that are its assets, and its checkpoint, which
  only TensorFlow's own saver may read or write.
"""

import collections
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from components.live_models import versions
from components.tensorflow_runtime import op_def_registry, saved_model_pb2, types_pb2

GRAPH_FILE = "saved_model.pb"
# Operations whose state stays within the model.
_OWN_STATE = frozenset(
    [
        "AssignAddVariableOp",
        "AssignSubVariableOp",
        "AssignVariableOp",
        "DisableCopyOnRead",
        "DestroyResourceOp",
        "HashTableV2",
        "If",
        "LookupTableExportV2",
        "LookupTableFindV2",
        "LookupTableImportV2",
        "LookupTableInsertV2",
        "LookupTableSizeV2",
        "MutableHashTableV2",
        "Multinomial",
        "ParameterizedTruncatedNormal",
        "PartitionedCall",
        "RandomGamma",
        "RandomPoissonV2",
        "RandomShuffle",
        "RandomStandardNormal",
        "RandomUniform",
        "RandomUniformInt",
        "ReadVariableOp",
        "ResourceGather",
        "ResourceGatherNd",
        "ResourceScatterAdd",
        "ResourceScatterUpdate",
        "StatefulPartitionedCall",
        "TruncatedNormal",
        "VarHandleOp",
        "VarIsInitializedOp",
        "VariableShape",
        "While",
        "Assert",
    ]
)
# Stateless according to TensorFlow's registry, and still more than a computation.
_OUTSIDE = re.compile(
    "^_|Py|File|Debug|Dataset|Iterator|Reader|Snapshot|ImmutableConst|Xla|TPU|Tpu|"
    "Remote|Summary|Checkpoint|Save|Restore|Custom|TfLite|Send|Recv|Barrier|Copy|Host|"
    "Sql|Load|Proto|Queue|Abort"
)
_NAMES_ONLY = frozenset({"ShardedFilename"})  # only formats the name of a file
_SAVER = frozenset({"SaveV2", "MergeV2Checkpoints", "RestoreV2"})
_TABLE_FROM_FILE = "InitializeTableFromTextFileV2"


class HostileModelError(versions.VersionError):
    """A SavedModel does more than compute, and was not loaded."""


def scan(folder: Path) -> None:
    """Refuses a SavedModel that does more than compute.

    Args:
        folder: Folder of the SavedModel.

    Raises:
        HostileModelError: If it does; names the operation and where it is.
        OSError: If the graph cannot be read.
    """
    others = [path for path in folder.glob("saved_model.*") if path.name != GRAPH_FILE]
    if others:
        raise HostileModelError(
            f"{others[0]} is not loaded: a graph is read from {GRAPH_FILE} alone"
        )
    content = (folder / GRAPH_FILE).read_bytes()
    try:
        graphs = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    except Exception as error:  # protobuf's own classes differ by implementation
        raise HostileModelError(
            f"{folder / GRAPH_FILE} is not a SavedModel: {error}"
        ) from error
    for graph in graphs:
        for problem in _Graph(graph).problems():
            raise HostileModelError(
                f"{folder} is not loaded: {problem}. If the model is yours, write it "
                "without that; if it is not, remove the version and find out who put "
                "it there"
            )


class _Graph:
    """One graph of a SavedModel, with its functions."""

    def __init__(self, graph: Any):
        self._graph = graph
        self._functions = {
            function.signature.name: function
            for function in graph.graph_def.library.function
        }
        self._main = {node.name: node for node in graph.graph_def.node}
        self._handles = collections.Counter(
            node.attr["shared_name"].s.decode(errors="replace") or node.name
            for _, node in self._nodes()
            if node.op == "VarHandleOp"
        )
        # Per function, what its nodes call and execute, each once.
        self._uses = {
            name: set().union(*map(_called, function.node_def))
            for name, function in self._functions.items()
        }
        self._assets = {
            asset.tensor_info.name.partition(":")[0] for asset in graph.asset_file_def
        }

    def problems(self) -> Iterator[str]:
        """Yields a description of everything that the graph does beyond computing."""
        for place, node in self._nodes():
            if node.op in _SAVER | {_TABLE_FROM_FILE} or node.op in self._functions:
                continue  # checked below, together with their callers
            if not _is_computation(node.op):
                yield f"operation {node.op} ({node.name}) in {place} is not allowed"
        for asset in self._graph.asset_file_def:
            if Path(asset.filename).name != asset.filename:
                yield f"asset {asset.filename!r} is outside the model's own assets"
        yield from self._problems_of_saver()
        yield from self._problems_of_tables()

    def _nodes(self) -> Iterator[tuple[str, Any]]:
        """Yields all nodes, each with a description of where it is."""
        for node in self._graph.graph_def.node:
            yield "the graph", node
        for name, function in self._functions.items():
            for node in function.node_def:
                yield f"function {name}", node

    def _with(self, operations: Iterable[str]) -> set[str]:
        """Returns the functions that use an operation, directly or through others."""
        wanted, found = set(operations), set[str]()
        while True:
            more = {
                name for name, used in self._uses.items() if used & (wanted | found)
            }
            if more == found:
                return found
            found = more

    def _problems_of_saver(self) -> Iterator[str]:
        """Yields uses of files beyond the saver's two nodes, or uses of these."""
        functions = self._with(_SAVER)
        saver = self._graph.saver_def
        its = {saver.save_tensor_name.partition(":")[0], saver.restore_op_name}
        used = {_source(i) for node in self._graph.graph_def.node for i in node.input}
        used |= self._fetched()
        for node in self._graph.graph_def.node:
            is_files = node.op in _SAVER or _called(node) & functions
            if is_files and (node.name not in its or node.name in used):
                yield f"{node.name} reads or writes files, and is not the saver"
        for name in functions & set(self._graph.object_graph_def.concrete_functions):
            yield f"function {name} reads or writes files, and is not the saver's"

    def _fetched(self) -> set[str]:
        """Returns the nodes that are run by name: by signatures and at the start."""
        names = {
            tensor.name
            for signature in self._graph.signature_def.values()
            for tensor in [*signature.inputs.values(), *signature.outputs.values()]
        }
        for collection in self._graph.collection_def.values():
            names |= set(collection.node_list.value)
            names |= {v.decode(errors="replace") for v in collection.bytes_list.value}
        return {_source(name) for name in names}

    def _problems_of_tables(self) -> Iterator[str]:
        """Yields tables that are filled from a file that is not an asset."""
        functions = self._with({_TABLE_FROM_FILE})
        objects = self._graph.object_graph_def
        for node in self._graph.graph_def.node:
            for given in self._filenames(node, functions):
                if not self._is_asset(_source(given)):
                    yield f"{node.name} reads a file that is not an asset: {given}"
        for name in functions:
            function = self._functions[name]
            arguments = {argument.name for argument in function.signature.input_arg}
            for node in function.node_def:
                for given in self._filenames(node, functions):
                    if given not in arguments:
                        yield f"{name} reads a file that is not an asset: {given}"
            if name in objects.concrete_functions:
                bound = objects.concrete_functions[name].bound_inputs
                kinds = {objects.nodes[number].WhichOneof("kind") for number in bound}
                if len(bound) != len(arguments) or not kinds <= {"asset", "resource"}:
                    yield f"{name} reads a file that is not an asset"

    def _is_asset(self, name: str) -> bool:
        """Returns whether a node is the path of an asset, or a variable with one.

        TensorFlow saves the assets of a model that was loaded as such a variable.
        """
        if name in self._assets or self._operation(name) != "ReadVariableOp":
            return name in self._assets
        variable = _source(self._main[name].input[0])
        users = [
            node for node in self._main.values() if variable in map(_source, node.input)
        ]
        # No other handle may refer to the variable, and no other value be assigned.
        return self._handles[variable] == 1 and all(
            node.op in ("ReadVariableOp", "VarIsInitializedOp")
            or (
                node.op == "AssignVariableOp" and _source(node.input[1]) in self._assets
            )
            for node in users
        )

    def _operation(self, name: str) -> str:
        return self._main[name].op if name in self._main else ""

    def _filenames(self, node: Any, functions: set[str]) -> list[str]:
        """Returns the inputs of a node that may name a file to fill a table from."""
        given = [name for name in node.input if not name.startswith("^")]
        if node.op == _TABLE_FROM_FILE:
            return given[1:2]
        called = _called(node) & functions
        if not called or not node.op.endswith("PartitionedCall"):
            return given if called else []
        [name] = called
        arguments = self._functions[name].signature.input_arg
        return [
            tensor
            for tensor, argument in zip(given, arguments, strict=True)
            if argument.type == types_pb2.DT_STRING
        ]


def _is_computation(operation: str) -> bool:
    definition = op_def_registry.get(operation)
    if definition is None:
        return False
    if definition.is_stateful:
        return operation in _OWN_STATE
    return operation in _NAMES_ONLY or not _OUTSIDE.search(operation)


def _called(node: Any) -> set[str]:
    """Returns the names of the functions that a node may call."""
    called = {node.op}
    for value in node.attr.values():
        called |= {value.func.name, *(function.name for function in value.list.func)}
    return called


def _source(tensor: str) -> str:
    """Returns the node that produces a tensor or a control input."""
    return tensor.lstrip("^").partition(":")[0]
