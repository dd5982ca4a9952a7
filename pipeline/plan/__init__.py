"""What a run will cost, before it is started (``marquee run --plan``).

1. ``work``: what the time and the memory of a step grow with.
2. ``observed``: what steps have cost, in runs on this machine and in reference runs.
3. ``estimate``: from these, the cost of a step on other data and in other settings.
4. ``planned``: a whole run, with what does not fit in memory and what would.
5. ``makespan``: the time of a run whose steps run side by side.
"""
