"""Checks, in a process of its own, that an exported model serves what it must."""
