"""Bringing up to date what was lost: dead letters in, current rows out.

Pure, but for the callables it is handed; ``bucket`` and ``item`` make those from clients.
"""
