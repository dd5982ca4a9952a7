"""Recognises which files hold ratings, users and items, and how they are written."""
