"""Redrive: failed changes from the dead letter bucket in, current rows out.

Pure except for the callables that it is passed; ``bucket`` and ``item`` make those from clients.
"""
