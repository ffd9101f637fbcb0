"""The fast path to a row: msgspec decodes a change straight into types compiled from the table's columns.

It makes a row only of a change that it is sure of. Every other change takes the exact path,
:meth:`pinot.table.Table.rows`, which holds every rule and every message. Both give the same bytes; see docs/adr/0009.
"""
