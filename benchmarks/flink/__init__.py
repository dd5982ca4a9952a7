"""Beam on a standalone Flink cluster on this machine, and its costs."""
