"""Builds the package that a person installs and that Beam and Kubeflow workers get."""

from pathlib import Path

from setuptools import find_packages, setup

TENSORFLOW = "tensorflow[and-cuda]==2.15.1"  # the version that tfx==1.15.1 asks for


def runtime_requirements() -> list[str]:
    """The pins of requirements.in, up to what only checks and tests need."""
    lines = Path(__file__).with_name("requirements.in").read_text().splitlines()
    runtime = lines[: lines.index("# Checks, tests and benchmarks.")]
    return [line for line in runtime if line and not line.startswith("#")]


# What does not change with a release or the lock is in pyproject.toml.
setup(
    # No __init__.py in those that would hide other people's packages of that name; they
    # are installed beside pipeline, as they lie in a checkout.
    packages=[
        *find_packages(include=["pipeline*", "components*", "trainer_modules*"]),
        "schema",
        "configs",
        "kubeflow",
    ],
    package_data={
        "schema": ["*.pbtxt"],
        "configs": ["*.yaml"],
        "kubeflow": ["*.yaml"],
        "pipeline": ["py.typed"],
        "components": ["py.typed"],
        "trainer_modules": ["py.typed"],
        "pipeline.views.html": ["*.j2", "*.css", "*.js"],
    },
    install_requires=runtime_requirements(),
    extras_require={"gpu": [TENSORFLOW]},
)
