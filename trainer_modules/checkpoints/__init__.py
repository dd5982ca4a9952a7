"""Checkpoints of a training, from which it goes on after its process was killed."""
