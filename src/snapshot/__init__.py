"""Snapshot rows: rows made of items as they were read, not of changes. Their time, and the record they are made from.

Pure.
"""
