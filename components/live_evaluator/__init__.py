"""Judges the model that serves on the users that judge the candidates."""
