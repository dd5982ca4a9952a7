"""Items and their features in, one table of the catalogue out.

The component is in ``component``, its executor in ``executor`` and the artifact's
type in ``artifacts``; they import TFX. What is exported here does not.
"""

from components.catalogue_gen.reader import read_catalogue

__all__ = ["read_catalogue"]
