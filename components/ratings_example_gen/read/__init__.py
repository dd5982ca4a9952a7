"""Reads recognised parts block by block, without a Python statement per row.

In the order in which the data meets them:

- ``blocks``: divides parts among workers, and yields the rows of a block.
- ``text_pieces``: cuts text between records.
- ``records``: where the records of a text begin and end.
- ``csv_text``, ``json_lines``, ``parquet``: parse one format each.
- ``bad_records``: which records of text cannot be rows.
- ``rows``: what the parsers yield: columns as they are written.
- ``ids``, ``numbers``, ``times``: convert columns; ``side_texts`` those of side files.
- ``bad_rows``: which rows do not convert, and why.
- ``ratings``: rows to checked ratings; ``small_files`` does many files at once.
"""
