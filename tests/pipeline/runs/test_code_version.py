"""An edit must be seen by the steps that use it, and by no other."""

import shutil

import pytest

from pipeline.runs import code_version as subject
from pipeline.runs.code_version import code_version

STEPS = {
    "reader": ["components.ratings_example_gen.executor"],
    "transform": ["trainer_modules.preprocessing"],
    "metrics": [
        "components.ranking_metrics.tfma_metrics",
        "components.ranking_metrics.extractors",
    ],
    "champion": ["components.champion.component"],
    **{
        name: ["trainer_modules.run_fn", f"trainer_modules.models.{name}"]
        for name in ("popularity", "mf_als", "neumf")
    },
}


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A copy of the sources that the versions are of."""
    for package in subject.PACKAGES:
        shutil.copytree(
            subject.ROOT / package,
            tmp_path / package,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    monkeypatch.setattr(subject, "ROOT", tmp_path)
    return tmp_path


def versions():
    return {step: code_version(*modules) for step, modules in STEPS.items()}


@pytest.mark.parametrize(
    ("edited", "steps"),
    [
        ("trainer_modules/models/neumf.py", {"neumf"}),
        ("trainer_modules/models/mf_als.py", {"mf_als"}),
        ("trainer_modules/layers/padded_rows.py", {"mf_als"}),
        ("trainer_modules/training.py", {"popularity", "mf_als", "neumf"}),
        ("trainer_modules/preprocessing.py", {"transform"}),
        ("trainer_modules/features.py", set(STEPS)),
        ("components/ranking_metrics/metrics.py", {"metrics", "champion"}),
        ("components/champion/decision.py", {"champion"}),
        # Reach a step as values among its parameters.
        ("trainer_modules/configs/factorization.py", set()),
        ("trainer_modules/registry.py", set()),
    ],
)
def test_an_edit_changes_the_versions_of_those_that_import_it(sources, edited, steps):
    before = versions()
    assert (sources / edited).is_file()
    with (sources / edited).open("a") as file:
        file.write("\n# edited\n")
    after = versions()
    assert {step for step in STEPS if before[step] != after[step]} == steps


def test_a_version_is_of_names_and_contents_alone(sources):
    first = code_version("trainer_modules.ranking")
    assert first == code_version("trainer_modules.ranking")
    assert len(first) == 12
    assert int(first, 16) >= 0
    path = sources / "trainer_modules" / "ranking.py"
    path.write_bytes(path.read_bytes())
    assert first == code_version("trainer_modules.ranking")
    assert first != code_version("trainer_modules.features")


def test_the_order_of_modules_is_nothing(sources):
    modules = STEPS["neumf"]
    assert code_version(*modules) == code_version(*reversed(modules))


def test_imports_inside_of_functions_and_circles_are_followed(sources):
    package = sources / "components" / "made_up"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "first.py").write_text(
        "def f():\n    from components.made_up import second\n    return second\n"
    )
    (package / "second.py").write_text("import components.made_up.first, json\n")
    before = code_version("components.made_up.first")
    (package / "second.py").write_text("import components.made_up.first\n")
    assert before != code_version("components.made_up.first")


def test_a_module_that_is_not_there_is_an_error():
    with pytest.raises(FileNotFoundError, match=r"trainer_modules\.models\.nothing"):
        code_version("trainer_modules.models.nothing")
