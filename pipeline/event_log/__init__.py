"""Events that the server receives: what users do with the items that are listed.

1. ``expected``: what an event must have, by the data of the live version.
2. ``store``: keeps each event once, on disk before it is acknowledged.
3. ``histories``: users' histories with the events that came after the data was read.
4. ``day_spans``: writes each day that is over to a span, which ``retrain`` reads.
"""
