"""What users did with the lists that they were shown.

1. ``logs``: reads the logged lists and the events, by parts of the users.
2. ``attribution``: finds the impression that each event followed.
3. ``rates``: rates with intervals whose unit is the user.
4. ``measure``: the metrics of each version, from all of these.
5. ``settings``: the settings with which the live version was accepted.
"""
