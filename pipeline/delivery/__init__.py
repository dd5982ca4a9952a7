"""Decides about a version on trial.

``outcomes``: counts the lists of each arm, from the log of lists and the events.
``confidence``: bounds on effects that hold however often one looks. ``verdict``: the
decision. ``components/live_models/trial.py`` carries it out.
"""
