"""Statistics of the newest span's ratings, for comparison with an older span."""
