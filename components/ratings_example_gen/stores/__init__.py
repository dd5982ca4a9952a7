"""Stores of objects: a module for each, with the functions of ``store.Store``."""
