"""No code of ours builds objects from a file: no pickle, Keras's .h5 or YAML tags.

A SavedModel is a program, too: why a version is checked before it is loaded
(tests/pipeline/test_tampering.py). Beam and multiprocessing send pickles between the
processes of one run; none is read from a file of somebody else.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "components", "trainer_modules", "kubeflow", "benchmarks")
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
MODULES |= {"h5py", "torch", "jsonpickle"}
# By the last name of what is called, as it is imported in many ways.
CALLS = {"eval", "exec", "read_pickle", "load_model", "load_weights", "unsafe_load"}
CALLS |= {"full_load", "model_from_json", "deserialize_keras_object"}
CALLS |= {"enable_unsafe_deserialization"}


def name_of(called):
    return called.attr if isinstance(called, ast.Attribute) else called.id


def builds_objects(node):
    """What a node does that takes objects, or code, from data; empty if nothing."""
    if isinstance(node, ast.Import):
        return {
            alias.name for alias in node.names if alias.name.split(".")[0] in MODULES
        }
    if isinstance(node, ast.ImportFrom):
        return {node.module} if (node.module or "").split(".")[0] in MODULES else set()
    if not isinstance(node, ast.Call):
        return set()
    if not isinstance(node.func, (ast.Attribute, ast.Name)):
        return set()
    words = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    called, name = ast.unparse(node.func), name_of(node.func)
    found = {called} if name in CALLS else set()
    if called in ("np.load", "numpy.load") and words.get("allow_pickle") != "False":
        found.add(called)
    if words.get("allow_pickle", "False") != "False":
        found.add("allow_pickle")
    if words.get("safe_mode", "True") != "True":
        found.add("safe_mode")
    if called.startswith("yaml.") and name in ("load", "load_all"):
        found.add(called)
    return found


def found_in(text):
    return set().union(*(builds_objects(node) for node in ast.walk(ast.parse(text))))


def test_no_module_takes_objects_from_data():
    files = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    assert len(files) > 150
    told = {
        str(path.relative_to(ROOT)): found
        for path in files
        if (found := found_in(path.read_text()))
    }
    assert told == {}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "import os, joblib",
        "from torch import load",
        "def f():\n  import cloudpickle as safe",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "numpy.load(path, allow_pickle=anything)",
        "archive = NpzFile(file, allow_pickle=True)",
        "pd.read_pickle(path)",
        "tf.keras.models.load_model(path)",
        "from keras.models import load_model\nload_model(p, safe_mode=False)",
        "model.load_weights('w.h5')",
        "yaml.load(text, yaml.Loader)",
        "yaml.full_load(text)",
        "eval(text)",
        "keras.config.enable_unsafe_deserialization()",
    ],
)
def test_what_is_looked_for_is_found(code):
    assert found_in(code)


def test_what_reads_plain_data_is_left_alone():
    assert not found_in(
        "np.load(file, allow_pickle=False); yaml.safe_load(text); json.load(file)\n"
        "ast.literal_eval(text); tf.saved_model.load(folder)"
    )
