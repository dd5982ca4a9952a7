"""Forgets users or items: in the data, the artifacts, the versions and the records.

1. ``ids``: what is forgotten, and how it is found in text.
2. ``sources``: the files of ratings, of users and of items; rewritten without the rows.
3. ``learned``: the artifacts that hold an ID or were made from one that does, and the
   versions that learned from it.
4. ``records``: the records and logs of the runs.
5. ``kept``: the events that servers have received, and the lists they answered.
6. ``plan``: finds all of it; ``apply``: removes it, in an order in which a command that
   was killed can be repeated.
"""
