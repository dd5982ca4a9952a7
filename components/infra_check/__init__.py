"""Asks the exported model, in a process of its own, what production will ask it."""
