import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "components", "trainer_modules")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from the source archive, as Beam's workers build it."""
    source = tmp_path_factory.mktemp("source")
    for name in (*PACKAGES, "kubeflow", "schema", "configs"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    files = ("setup.py", "pyproject.toml", "requirements.in", "MANIFEST.in")
    for name in (*files, "README.md", "LICENSE"):
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
        *("configs/default.yaml", "schema/ratings.pbtxt", "schema/spans.pbtxt"),
        *(f"pipeline/views/html/report.{kind}" for kind in ("css", "html.j2", "js")),
        *(f"{package}/py.typed" for package in PACKAGES),
    }
    held = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert held == expected


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


def test_an_installed_wheel_runs_away_from_the_checkout(wheel, tmp_path):
    target = tmp_path / "installed"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--quiet", "install", "--no-deps"),
            *("--target", str(target), str(wheel)),
        ],
        check=True,
    )
    environment = {**os.environ, "PYTHONPATH": str(target)}

    def output(*command):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    shown = output(sys.executable, str(target / "bin" / "marquee"), "--help")
    assert "Usage: marquee" in shown
    code = (
        "import pathlib, pipeline.config.schema as config\n"
        "root = pathlib.Path(config.__file__).parent.parent\n"
        "print(root)\n"
        "file = root / 'configs' / 'default.yaml'\n"
        "print(config.load_config(file) == config.PipelineConfig())\n"
        "print((root / 'schema' / 'ratings.pbtxt').is_file())\n"
    )
    assert output(sys.executable, "-c", code).split() == [str(target), "True", "True"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_readmes_commands_install_it_in_an_empty_environment(wheel, tmp_path):
    """TFX refuses Python 3.11 by its metadata: what pip is told must get past that."""
    readme = (ROOT / "README.md").read_text()
    lines = re.findall(r"^(?:python3\.11|environment/bin/pip) .*$", readme, re.M)
    assert len(lines) == 3
    lines[-1] = lines[-1].partition(" . ")[0] + f" {wheel}"
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    base = Path(sys.base_prefix) / "bin"
    environment = {**os.environ, "PATH": f"{base}:{os.environ['PATH']}"}
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
