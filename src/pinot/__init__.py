"""Pinot's side: a schema and a table config become a :class:`~pinot.table.Table`, which turns changes into rows.

Pure: nothing here knows AWS clients, files, the environment, the clock or a logger.
"""
