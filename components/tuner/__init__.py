"""Tuner: finds the settings with which a model ranks the eval split best."""
