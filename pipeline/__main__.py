"""``python -m pipeline`` is ``marquee``, where the package is not installed."""

from pipeline.cli import main

main()
