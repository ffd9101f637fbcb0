"""Load: the rows of a table's existing items."""
