"""Settings that select code which was never executed."""

from pipeline.config import experimental
from pipeline.config.load import load_config


def test_the_defaults_cause_no_warning():
    assert list(experimental.warnings(load_config(None, ()))) == []


def test_each_experimental_value_causes_one():
    settings = (
        "serving.infra_check=experimental-docker",
        "beam.runner=experimental-spark",
    )
    infra_check, runner = experimental.warnings(load_config(None, settings))
    assert infra_check.startswith(
        "serving.infra_check: this project has never executed experimental-docker"
    )
    assert runner.startswith(
        "beam.runner: this project has never executed experimental-spark"
    )
