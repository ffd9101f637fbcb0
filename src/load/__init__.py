"""Load: the items that a table has already, as rows on the streams, while the table is being written to."""
