"""The lists that the server has answered, with all that they were made of.

``shown``: a page of a list as it is logged, and the columns of the files.
``redaction``: what is left out. ``files``: writes them to Parquet files, beside the
requests. ``reading``: reads the files. ``pipeline/serving/replay.py`` makes them again.
"""
