"""Finds and reads the files that describe items and users beside the ratings.

In the order in which the data meets them:

- ``names``: what a file describes, judged by its name.
- ``find``: the files of items and users that belong to some ratings.
- ``header``, ``columns``: the id, the title and the features among a file's columns.
- ``tables``: both files with their columns recognised.
- ``first_rated_ids``: whether the first rated ids are in these files.
- ``values``: the values of each row, with lists split and entities decoded.
- ``users``: the users' features, in the buckets that their ratings are in.
- ``summary``: what a file holds, for a person to check.
"""
