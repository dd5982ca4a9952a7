"""Recognises which files hold ratings, and how they are written.

In the order in which the data meets them:

- ``recognition``: the entry point: files to a ``layout.Layout``.
- ``movielens``: the files of MovieLens's releases, known by their names.
- ``take_sample``: reads the beginning of a file as a ``sample.Sample``, with
  ``text_sample``, ``json_sample`` and ``parquet_sample``.
- ``binary_signatures``, ``preamble``: what is not text, and lines above a table.
- ``guess``: separator, escape, decimal mark and time format of sampled text.
- ``describe_tables``: a sample to a ``ratings_table.Table``; ``header_row``,
  ``column_meanings`` and ``column_names`` find the columns.
- ``numbers_and_times``: how the numbers and times of all tables are written.
- ``duplicate_files``, ``unrecognised_columns``, ``implausible_times``: warnings.
- ``reading``, ``reading_report``: the result, for a person and for later runs.
"""
