"""Ratings to a live model: the pipeline, and its command."""

DEFAULT_OUT = "marquee-out"  # the folder of the runs
