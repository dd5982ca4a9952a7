"""What the newest span's ratings are like, to be held against an older span's."""
