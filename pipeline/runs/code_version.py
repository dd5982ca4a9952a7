"""Hashes the sources that a step uses, for its cache key.

TFX's cache covers inputs and parameters, not installed code. Each step gets the hash of
its own modules and of the modules of this repository that they import, found from the
import statements without importing anything: an edited model re-runs only that model.
"""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("components", "trainer_modules")
# Both reach a step as values among its parameters, so a new default of one model does
# not concern the others.
BY_VALUE = ("trainer_modules.configs", "trainer_modules.registry")


def code_version(*modules: str) -> str:
    """Returns 12 hexadecimal digits for the sources of modules and their imports.

    Raises:
        FileNotFoundError: If a module is not part of this repository.
    """
    sources: dict[str, bytes] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in sources or module.startswith(BY_VALUE):
            continue
        path = _path(module)
        if path is None:
            raise FileNotFoundError(f"no source of module {module!r} below {ROOT}")
        sources[module] = path.read_bytes()
        waiting += _imports(sources[module])
    digest = hashlib.sha256()
    for module, source in sorted(sources.items()):
        digest.update(module.encode() + b"\0" + source + b"\0")
    return digest.hexdigest()[:12]


def version_of_all() -> str:
    """Returns 12 hexadecimal digits for all sources, including the schemas."""
    digest = hashlib.sha256()
    paths = [
        path for name in (*PACKAGES, "pipeline") for path in (ROOT / name).rglob("*.py")
    ]
    for path in sorted([*paths, *(ROOT / "schema").glob("*.pbtxt")]):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _imports(source: bytes) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.partition(".")[0] in PACKAGES and _path(name):
                yield name


def _path(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None
