"""Models that do more than compute are refused before they are loaded."""

import shutil

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from components.saved_model_scan import HostileModelError, scan

raw = tf.raw_ops
TEXT = [tf.TensorSpec([None], tf.string, name="text")]


class Harmless(tf.Module):
    """What an exported model has: a variable, a vocabulary, branches and loops."""

    def __init__(self, vocabulary):
        super().__init__()
        self.weight = tf.Variable([1.0, 2.0])
        from_file = tf.lookup.TextFileInitializer(
            str(vocabulary),
            *(tf.string, tf.lookup.TextFileIndex.WHOLE_LINE),
            *(tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER),
        )
        self.table = tf.lookup.StaticHashTable(from_file, 0)

    @tf.function(input_signature=TEXT)
    def serve(self, text):
        index = self.table.lookup(text)
        for _ in tf.range(tf.size(text)):
            index = tf.where(index > 1, index - 1, index)
        noise = tf.random.uniform([]) * 0
        return {"score": tf.gather(self.weight, tf.minimum(index, 1)) + noise}


@pytest.fixture(scope="module")
def harmless(tmp_path_factory):
    folder = tmp_path_factory.mktemp("harmless")
    vocabulary = folder / "vocabulary"
    vocabulary.write_text("a\nb\n")
    module = Harmless(vocabulary)
    tf.saved_model.save(module, str(folder / "model"), signatures=module.serve)
    return folder / "model"


def test_a_model_that_only_computes_is_let_in(harmless):
    scan(harmless)
    assert tf.saved_model.load(str(harmless)).signatures["serving_default"](
        text=tf.constant(["b"])
    )["score"].numpy().tolist() == [2.0]


def nested(act):
    """Acts in a branch of a loop of a function."""

    @tf.function
    def inner(text):
        if tf.size(text) > 100:
            act(text)
        return tf.size(text)

    def outer(text):
        for _ in tf.range(3):
            inner(text)

    return outer


def table_of(path):
    def act(text):
        table = raw.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
        raw.InitializeTableFromTextFileV2(
            table_handle=table,
            filename=path if path else text[0],
            key_index=-2,
            value_index=-1,
        )

    return act


ACTS = {
    "ReadFile": lambda text: tf.io.read_file(text[0]),
    "WriteFile": lambda text: tf.io.write_file("/tmp/x", text[0]),
    "MatchingFiles": lambda text: tf.io.matching_files("/*"),
    "EagerPyFunc": lambda text: tf.py_function(print, [text], tf.int64),
    "PyFunc": lambda text: tf.numpy_function(print, [text], tf.int64),
    "PyFuncStateless": lambda text: tf.numpy_function(
        print, [text], tf.int64, stateful=False
    ),
    "PrintV2": lambda text: tf.print(text, output_stream="file:///tmp/x"),
    "SaveV2": lambda text: raw.SaveV2(
        prefix="/tmp/x", tensor_names=["a"], shape_and_slices=[""], tensors=[text]
    ),
    "RestoreV2": lambda text: raw.RestoreV2(
        prefix=text[0], tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.string]
    ),
    "MergeV2Checkpoints": lambda text: raw.MergeV2Checkpoints(
        checkpoint_prefixes=text, destination_prefix="/tmp/x"
    ),
    "ImmutableConst": lambda text: raw.ImmutableConst(
        dtype=tf.uint8, shape=[1], memory_region_name="/etc/passwd"
    ),
    "DecodeProtoV2": lambda text: raw.DecodeProtoV2(
        bytes=text,
        message_type="a",
        field_names=["b"],
        output_types=[tf.string],
        descriptor_source="/etc/passwd",
    ),
    "DebugIdentity": lambda text: raw.DebugIdentity(
        input=text, debug_urls=["file:///tmp/x"]
    ),
    "TFRecordDataset": lambda text: raw.TFRecordDataset(
        filenames=text, compression_type="", buffer_size=1
    ),
    "of a constant": table_of("/etc/passwd"),
    "of a request": table_of(None),
}


@pytest.mark.parametrize("is_nested", [False, True])
@pytest.mark.parametrize("name", ACTS)
def test_an_operation_on_files_or_processes_is_refused_by_name(
    tmp_path, name, is_nested
):
    act = nested(ACTS[name]) if is_nested else ACTS[name]

    @tf.function(input_signature=TEXT)
    def serve(text):
        act(text)
        return {"score": tf.strings.length(text)}

    tf.saved_model.save(tf.Module(), str(tmp_path / "model"), signatures=serve)
    said = "is not an asset" if name.startswith("of a") else f"{name} |saver"
    with pytest.raises(HostileModelError, match=said):
        scan(tmp_path / "model")


@pytest.fixture
def change(harmless, tmp_path):
    """Changes the graph of a harmless model."""
    folder = tmp_path / "model"
    shutil.copytree(harmless, folder)

    def changed(act):
        path = folder / "saved_model.pb"
        model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
        act(model.meta_graphs[0])
        path.write_bytes(model.SerializeToString())
        return folder

    return changed


def fetch_the_saver(graph):
    output = graph.signature_def["serving_default"].outputs["score"]
    output.name = graph.saver_def.save_tensor_name


def run_the_saver_first(graph):
    for node in graph.graph_def.node:
        if node.op == "StatefulPartitionedCall" and not node.name.endswith("_1"):
            node.input.append("^" + graph.saver_def.restore_op_name)


def start_with_the_saver(graph):
    name = graph.saver_def.save_tensor_name.partition(":")[0]
    graph.collection_def["saved_model_main_op"].node_list.value[:] = [name]


def read_elsewhere(graph):
    graph.asset_file_def[0].filename = "../../../etc/passwd"


def fill_from_a_constant(graph):
    for node in graph.graph_def.node:
        if node.name == graph.asset_file_def[0].tensor_info.name.partition(":")[0]:
            node.name = "elsewhere"
    for node in graph.graph_def.node:
        node.input[:] = [
            "elsewhere" if name.startswith("asset_path") else name
            for name in node.input
        ]


def fill_from_a_constant_when_loaded_as_objects(graph):
    objects = graph.object_graph_def
    for node in objects.nodes:
        if node.WhichOneof("kind") == "asset":
            node.constant.operation = "Const"


def call_the_saver_by_its_function(graph):
    [name] = [
        f.signature.name
        for f in graph.graph_def.library.function
        if "traced_save" in f.signature.name
    ]
    graph.object_graph_def.concrete_functions[name].SetInParent()


def use_an_unknown_operation(graph):
    graph.graph_def.node.add(name="x", op="MyOwnOperation")


@pytest.mark.parametrize(
    "act",
    [
        fetch_the_saver,
        run_the_saver_first,
        start_with_the_saver,
        read_elsewhere,
        fill_from_a_constant,
        fill_from_a_constant_when_loaded_as_objects,
        call_the_saver_by_its_function,
        use_an_unknown_operation,
    ],
)
def test_a_graph_that_was_changed_is_refused(change, act):
    scan(change(lambda graph: None))
    with pytest.raises(HostileModelError, match="is not loaded"):
        scan(change(act))


def test_a_graph_in_another_file_is_refused(harmless, tmp_path):
    shutil.copytree(harmless, tmp_path / "model")
    (tmp_path / "model" / "saved_model.pbtxt").write_text("")
    with pytest.raises(HostileModelError, match=r"saved_model\.pbtxt"):
        scan(tmp_path / "model")


def test_what_is_no_graph_is_refused(harmless, tmp_path):
    shutil.copytree(harmless, tmp_path / "model")
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(HostileModelError, match="is not a SavedModel"):
        scan(tmp_path / "model")
