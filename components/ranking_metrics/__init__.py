"""TFMA metrics over the ranks that a model gives to its users' targets."""
