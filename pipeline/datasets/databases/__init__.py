"""Ratings, items and users in databases, copied to files of this machine."""
