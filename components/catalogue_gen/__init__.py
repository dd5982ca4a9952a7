"""CatalogueGen: items and their features in, one table of the catalogue out.

The files, in the order in which the data meets them:

- ``component`` with its ``driver`` and ``executor``: what TFX calls.
- ``reader``: reads a file of items, MovieLens's or a person's own.
- ``catalogue``: joins these items with the rated ones.
- ``artifacts``: the type of the output.

What is exported here imports no TFX.
"""

from components.catalogue_gen.reader import read_catalogue

__all__ = ["read_catalogue"]
