"""Builds the package that a person installs, and that Beam and Kubeflow workers get."""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

FOLDER = "marquee_packages"
TENSORFLOW = "tensorflow[and-cuda]==2.15.1"  # the version that tfx==1.15.1 requires


class BuildInOneFolder(build_py):
    """Puts all packages into one folder, and that folder on the import path.

    A wheel therefore adds no generic name such as ``pipeline`` to site-packages, and
    each module keeps the dotted name that pickles, run_fn strings and the metadata
    store contain (docs/adr/0028). An editable installation needs only the path.
    """

    def finalize_options(self) -> None:
        """Moves the folder that modules are copied to one level down."""
        super().finalize_options()
        self.site_packages = Path(self.build_lib)
        if not self.editable_mode:
            self.build_lib = str(self.site_packages / FOLDER)

    def run(self) -> None:
        """Copies the modules, and adds the ``.pth`` file."""
        super().run()
        if not self.editable_mode:
            (self.site_packages / "marquee.pth").write_text(f"{FOLDER}\n")


def runtime_requirements() -> list[str]:
    """Returns the pins of requirements.in without those of checks and tests."""
    lines = Path(__file__).with_name("requirements.in").read_text().splitlines()
    runtime = lines[: lines.index("# Checks, tests and benchmarks.")]
    return [line for line in runtime if line and not line.startswith("#")]


# pyproject.toml has what is independent of the lock and of the build.
setup(
    cmdclass={"build_py": BuildInOneFolder},
    package_dir={"": "."},  # so that an editable installation is one line in a .pth
    py_modules=["marquee"],
    # schema, configs and kubeflow have no __init__.py, because it would hide other
    # people's packages of these names.
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
        "pipeline.plan": ["*.json"],
        "components": ["py.typed"],
        "trainer_modules": ["py.typed"],
        "pipeline.views.html": ["*.j2", "*.css", "*.js"],
    },
    install_requires=runtime_requirements(),
    extras_require={"gpu": [TENSORFLOW]},
)
