"""Parts of the product that work without TensorFlow, TFX and Beam, and start fast."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("apache_beam", "keras", "tensorflow_transform", "tfx")
# Packages and modules, each with all that is below it.
LIGHT = (
    "pipeline.cli",
    "pipeline.config",
    "pipeline.datasets",
    "pipeline.doctor",
    "pipeline.lineage",
    "pipeline.online",
    "pipeline.retraining",
    "pipeline.runs.cleanup",
    "pipeline.runs.compare",
    "pipeline.runs.execute",
    "pipeline.runs.finished_runs",
    "pipeline.runs.repetition",
    "pipeline.views.terminal",
    "components.champion.decision",
    "components.drift_gate.drift",
    "components.live_models",
    "components.ranking_metrics.metrics",
    "components.ratings_example_gen.read",
    "components.ratings_example_gen.recognise",
    "trainer_modules.configs",
    "trainer_modules.features",
    "trainer_modules.registry",
    "kubeflow.notify",
    "kubeflow.runner",
)
# The same of what answers from an exported model: of TensorFlow, it imports the session
# and what belongs to it, but not the package itself, which begins with `_api`.
WITH_SESSION = (
    "components.saved_model_scan",
    "components.tensorflow_runtime",
    "pipeline.recommend.example_records",
    "components.exported_model",
    "pipeline.recommend.item_titles",
    "pipeline.recommend.one_item",
    "pipeline.recommend.one_user",
    "pipeline.recommend.user_history",
    "pipeline.serving",
    "pipeline.views.html",
)
IMPORT_ALL = """
import importlib, sys
heavy, names = (argument.split() for argument in sys.argv[1:])
sys.modules.update(dict.fromkeys(heavy))  # importing them raises ModuleNotFoundError
for name in names:
    importlib.import_module(name)
"""


def modules_below(name: str) -> list[str]:
    """Returns the names of a module or of a package and all its modules."""
    path = ROOT.joinpath(*name.split("."))
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    dotted = (".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files)
    return [each.removesuffix(".__init__") for each in dotted]


@pytest.mark.parametrize(
    ("parts", "top_of_tensorflow"),
    [(LIGHT, "tensorflow"), (WITH_SESSION, "tensorflow._api")],
)
def test_light_parts_are_imported_without_tensorflow_tfx_or_beam(
    parts, top_of_tensorflow
):
    names = [module for name in parts for module in modules_below(name)]
    heavy = " ".join((*HEAVY, top_of_tensorflow))
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, heavy, " ".join(names)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
