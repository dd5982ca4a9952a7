import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email.parser import Parser
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "components", "trainer_modules")
FOLDER = "marquee_packages"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel that is built from the source archive, as Beam's workers build it."""
    source = tmp_path_factory.mktemp("source")
    for name in (*PACKAGES, "kubeflow", "schema", "configs"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    files = ("setup.py", "pyproject.toml", "requirements.in", "MANIFEST.in")
    for name in (*files, "marquee.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    built = tmp_path_factory.mktemp("built")
    python = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps"]
    setup = [sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", str(built)]
    subprocess.run(setup, cwd=source, check=True, capture_output=True)
    [archive] = built.glob("*.tar.gz")
    subprocess.run(
        [*python, "--no-build-isolation", "--wheel-dir", str(built), str(archive)],
        cwd=built,
        check=True,
    )
    [path] = built.glob("*.whl")
    return path


def test_the_wheel_holds_every_module_the_schema_and_the_configuration(wheel):
    expected = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    expected |= {
        *(f"kubeflow/{path.name}" for path in (ROOT / "kubeflow").glob("*.py")),
        "kubeflow/cluster.yaml",
        "configs/default.yaml",
        "pipeline/plan/reference.json",
        *(f"schema/{name}.pbtxt" for name in ("ratings", "served", "spans")),
        *(f"pipeline/views/html/report.{kind}" for kind in ("css", "html.j2", "js")),
        *(
            f"pipeline/views/html/{name}.html.j2"
            for name in ("layout", "parts", "tuning")
        ),
        *(f"{package}/py.typed" for package in PACKAGES),
        "marquee.py",
    }
    held = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert held == {f"{FOLDER}/{name}" for name in expected} | {"marquee.pth"}


def test_site_packages_gets_no_generic_name(wheel):
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert names == {FOLDER, "marquee.pth", "marquee-0.1.0.dist-info"}


def test_the_wheel_asks_for_what_it_needs_and_for_no_tests(wheel):
    with zipfile.ZipFile(wheel) as archive:
        [name] = [n for n in archive.namelist() if n.endswith("dist-info/METADATA")]
        metadata = Parser().parsestr(archive.read(name).decode())
    needed = metadata.get_all("Requires-Dist")
    assert "tfx==1.15.1" in needed
    assert "click" in needed
    assert 'tensorflow[and-cuda]==2.15.1; extra == "gpu"' in needed
    assert not {n for n in needed if n.startswith(("pytest", "ruff", "mypy"))}
    assert set(metadata["Requires-Python"].split(",")) == {">=3.11", "<3.12"}
    assert metadata["License-Expression"] == "Apache-2.0"


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A new environment with the wheel and the locked packages.

    Its site-packages, and a function that runs one of its programs.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python*/site-packages")
    locked = sysconfig.get_path("purelib")
    (packages / "locked.pth").write_text(f"{locked}\n")
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(folder)]
    subprocess.run([*pip, "install", "--no-deps", str(wheel)], check=True)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def run(program, *arguments):
        return subprocess.run(
            [folder / "bin" / program, *arguments],
            cwd=elsewhere,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return SimpleNamespace(packages=packages, run=run)


def test_an_installed_wheel_runs_away_from_the_checkout(environment):
    def output(*command):
        done = environment.run(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "Usage: marquee" in output("marquee", "--help")
    code = (
        "import pathlib, pipeline.config.load as load\n"
        "from pipeline.config.sections import PipelineConfig\n"
        "root = pathlib.Path(load.__file__).parents[2]\n"
        "print(root)\n"
        "file = root / 'configs' / 'default.yaml'\n"
        "print(load.load_config(file) == PipelineConfig())\n"
        "print((root / 'schema' / 'ratings.pbtxt').is_file())\n"
    )
    folder = str(environment.packages / FOLDER)
    assert output("python", "-c", code).split() == [folder, "True", "True"]


def test_a_worker_unpickles_functions_and_finds_executors_by_name(environment):
    """The names that Beam, run_fn strings and the metadata store contain."""
    code = (
        "import importlib.util, pickle\n"
        "from components import durable_files\n"
        "assert pickle.loads(pickle.dumps(durable_files.forbid_world_writable))\n"
        "for name in ('trainer_modules.run_fn', 'components.champion.rules',"
        " 'kubeflow.submission'):\n"
        "    print(importlib.util.find_spec(name).origin)\n"
    )
    done = environment.run("python", "-c", code)
    assert done.returncode == 0, done.stderr
    folder = environment.packages / FOLDER
    assert done.stdout.split() == [
        str(folder / "trainer_modules" / "run_fn.py"),
        str(folder / "components" / "champion" / "rules.py"),
        str(folder / "kubeflow" / "submission.py"),
    ]


@pytest.mark.parametrize("name", ["pipeline", "components"])
def test_another_package_of_the_same_name_is_reported_in_one_line(environment, name):
    other = environment.packages / name
    other.mkdir()
    (other / "__init__.py").touch()
    try:
        done = environment.run("marquee", "--help")
    finally:
        shutil.rmtree(other)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert f"({name}: {other / '__init__.py'})" in line
    assert "environment of its own" in line


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_readmes_commands_install_it_in_an_empty_environment(wheel, tmp_path):
    """TFX's metadata exclude Python 3.11, so pip needs the README's options."""
    readme = (ROOT / "README.md").read_text()
    lines = re.findall(r"^(?:python3\.11|environment/bin/pip) .*$", readme, re.M)
    assert len(lines) == 3
    lines[-1] = lines[-1].partition(" . ")[0] + f" {wheel}"
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    base = Path(sys.base_prefix) / "bin"
    # Python compiles what is imported below; pip would compile all 23,000 files.
    own = {"PATH": f"{base}:{os.environ['PATH']}", "PIP_COMPILE": "0"}
    environment = {**os.environ, **own}
    environment.pop("PYTHONPATH", None)

    def output(line):
        done = subprocess.run(
            shlex.split(line),
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    for line in lines:
        output(line)
    marquee = "environment/bin/marquee"
    assert "Usage: marquee" in output(f"{marquee} --help")
    assert "as pinned" in output(f"{marquee} doctor --out out")
    entry = "import kubeflow.entrypoint as entry; print(entry.__file__)"
    assert "environment/lib" in output(f'environment/bin/python -c "{entry}"')
