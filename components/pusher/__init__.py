"""Puts a chosen model live, whole or not at all, and takes it back."""
