"""Types of numeric settings; each states which values are valid.

Bounds are written here alone: ``pipeline.config.describe`` turns them into the words of
error messages and of the reference page.
"""

from typing import Annotated

from msgspec import Meta

# The largest float32, in which models compute: anything above it, such as .inf in YAML,
# is rejected.
LARGEST = 3.4028234663852886e38

Count = Annotated[int, Meta(ge=1)]
CountOrZero = Annotated[int, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0, le=2**31 - 1)]
# Above 2^16, the weights between two such layers take more than 16 GiB.
LayerSize = Annotated[int, Meta(ge=1, le=2**16)]
LayerSizes = Annotated[tuple[LayerSize, ...], Meta(min_length=1)]
# Below, the V x V matrices of a model take less than 16 MB, and need no limit.
CatalogueSize = Annotated[int, Meta(ge=1000)]

# Added to the diagonal of a Gramian. Its eigenvalues reach 1e9 (a million users with a
# thousand items each), and rounding in float64 then 1e-6: less has no Cholesky factor.
Ridge = Annotated[float, Meta(ge=1e-3, le=LARGEST)]
Positive = Annotated[float, Meta(gt=0, le=LARGEST)]
NonNegative = Annotated[float, Meta(ge=0, le=LARGEST)]
Share = Annotated[float, Meta(ge=0, le=1)]
ShareBelow1 = Annotated[float, Meta(ge=0, lt=1)]  # such as a dropout rate
ShareAbove0 = Annotated[float, Meta(gt=0, le=1)]
Fraction = Annotated[float, Meta(gt=0, lt=1)]
