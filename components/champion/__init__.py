"""Chooses, among the models that passed, the one to go live."""
