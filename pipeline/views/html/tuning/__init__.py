"""The report of `marquee tune`: the trials of each model's study."""
