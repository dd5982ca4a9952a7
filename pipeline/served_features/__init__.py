"""Features in served lists, compared with those that the version learned from.

``served``: the newest logged list of each user in a period. ``training_form``: the
training histories of a version, and the form in which both are compared. ``distances``:
between two sets of rows, by the comparators of a schema. ``comparison``: of the periods
of each version. ``before_retraining``: what ``marquee retrain`` does about them.

``periods``: the distances of one hour or day.

Each served list is compared with the history of the same user in the training data, as
the server would have had it: another mix of users does not count as skew.
"""
