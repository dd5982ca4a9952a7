"""Beam on a real Flink on this machine: a standalone cluster, and what it costs."""
