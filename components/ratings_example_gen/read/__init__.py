"""Reads recognised parts block by block, without a step of Python per row."""
