"""``python -m pipeline``: the ``marquee`` command without installing the package."""

from pipeline.cli import main

main()
