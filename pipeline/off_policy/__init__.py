"""Estimates of what a version would earn, from lists that other versions made.

1. ``drawn_lists``: the logged lists whose last places were drawn at random.
2. ``followed``: which of their items an event followed.
3. ``candidate``: what a version would have shown in the drawn places.
4. ``overlap``: whether the log has enough in common with that.
5. ``estimators``: the estimates, with ``reward_model`` for the doubly robust one.
6. ``judge``: all of it for a version, as ``result`` describes.
"""
