"""Judges the live model on the same users as the candidates."""
