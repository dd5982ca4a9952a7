"""The pipeline from ratings to a live model, and its command line."""

DEFAULT_OUT = "marquee-out"  # folder of the runs
