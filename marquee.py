"""The ``marquee`` command, which first checks that it would import our packages.

Their names are generic. Another distribution in the same environment may install a
package named ``pipeline`` or ``components``, which then hides ours (docs/adr/0028).
"""

import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PACKAGES = ("pipeline", "components", "trainer_modules")
CONFIG = 2  # pipeline.exit_codes.CONFIG, which cannot be imported yet


def hidden_by() -> dict[str, str]:
    """Returns the packages of ours that are hidden, each with the path that hides it.

    Nothing is imported.
    """
    hidden = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        path = spec.origin if spec else None  # of __init__.py, or of a module
        if not path or Path(path).resolve() != FOLDER / name / "__init__.py":
            hidden[name] = path or "nothing of this name is found"
    return hidden


def main() -> None:
    """Runs the command."""
    if hidden := hidden_by():
        packages = "; ".join(f"{name}: {path}" for name, path in hidden.items())
        print(
            "marquee: another installation hides packages of Marquee in this Python "
            f"environment ({packages}). Install Marquee in an environment of its own.",
            file=sys.stderr,
        )
        sys.exit(CONFIG)
    from pipeline.cli import main as run_command

    run_command()


if __name__ == "__main__":
    main()
