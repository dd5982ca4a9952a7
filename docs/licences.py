"""Writes licences.md: the licence of each locked package, from its metadata.

Run by ``make licences``, with the lock installed.
"""

import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """# Licences

The licences of the packages in `requirements.txt`, as declared in their metadata;
`make licences` writes this page. The packages come from the package index; none is a
part of this repository.

| package | version | licence |
|---|---|---|
"""


def pins() -> dict[str, str]:
    """Returns the version of each locked package by name."""
    lock = (ROOT / "requirements.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.MULTILINE))


def licence(name: str) -> str:
    """Returns a package's SPDX expression, classifiers or short licence text."""
    declared = metadata.metadata(name)
    if expression := declared.get("License-Expression"):
        return str(expression)
    classifiers = [
        words.rpartition(" :: ")[2]
        for words in declared.get_all("Classifier", [])
        if words.startswith("License ::") and words.count("::") > 1
    ]
    if classifiers:
        return ", ".join(sorted(classifiers))
    lines = (declared.get("License") or "").strip().splitlines()
    return lines[0][:60] if lines else "not declared"


def page() -> str:
    """Returns the page in Markdown."""
    rows = [
        f"| {name} | {version} | {licence(name).replace('|', '/')} |\n"
        for name, version in sorted(pins().items())
    ]
    return HEAD + "".join(rows)


if __name__ == "__main__":
    (ROOT / "docs" / "licences.md").write_text(page())
