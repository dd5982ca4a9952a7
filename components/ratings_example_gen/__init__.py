"""Ratings in, one Example per user and split out.

The component is in ``component``, and its executor in ``executor``; they import
TFX. What is exported here does not.
"""

from components.ratings_example_gen.problems import BadInputError, Problem
from components.ratings_example_gen.settings import Settings

__all__ = ["BadInputError", "Problem", "Settings"]
