"""Writes licences.md: what each locked package says of its licence.

Run by ``make licences``, with the lock installed.
"""

import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """# Licences

What the packages of `requirements.txt` say of their licences in their metadata, and
nothing more: `make licences` writes this page. They come from the package index; none
is a part of this repository.

| package | version | licence |
|---|---|---|
"""


def pins() -> dict[str, str]:
    """Name → version of all that is locked."""
    lock = (ROOT / "requirements.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.MULTILINE))


def licence(name: str) -> str:
    """In the package's own words: an SPDX expression, classifiers, or a short text."""
    told = metadata.metadata(name)
    if expression := told.get("License-Expression"):
        return str(expression)
    classifiers = [
        words.rpartition(" :: ")[2]
        for words in told.get_all("Classifier", [])
        if words.startswith("License ::") and words.count("::") > 1
    ]
    if classifiers:
        return ", ".join(sorted(classifiers))
    lines = (told.get("License") or "").strip().splitlines()
    return lines[0][:60] if lines else "not said"


def page() -> str:
    """The whole page."""
    rows = [
        f"| {name} | {version} | {licence(name).replace('|', '/')} |\n"
        for name, version in sorted(pins().items())
    ]
    return HEAD + "".join(rows)


if __name__ == "__main__":
    (ROOT / "docs" / "licences.md").write_text(page())
