"""The short way to a row: changes that are told by their JSON, by sight, and need no more than that.

``short_way`` is what a table asks, and keeps the patterns; a ``pattern`` tells changes that are alike; ``mould`` makes
one of one change, ``loose`` one for any attributes; ``fragment`` is what an attribute may look like.
"""
