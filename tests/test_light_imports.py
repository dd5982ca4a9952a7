"""Parts of the product that work without TensorFlow, TFX and Beam, and start fast."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = ("apache_beam", "keras", "tensorflow", "tensorflow_transform", "tfx")
# Packages and modules, each with all that is below it.
LIGHT = (
    "pipeline.cli",
    "pipeline.config",
    "pipeline.datasets",
    "pipeline.doctor",
    "pipeline.lineage",
    "pipeline.retraining",
    "pipeline.runs.cleanup",
    "pipeline.runs.compare",
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


def test_light_parts_are_imported_without_tensorflow_tfx_or_beam():
    names = [module for name in LIGHT for module in modules_below(name)]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, " ".join(HEAVY), " ".join(names)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
