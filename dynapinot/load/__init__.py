"""``dynapinot load``: the preconditions, the plan and its estimate, the work here or in a stack, its report.

The rows are made and sent by ``src/load`` and ``src/handlers/loading.py``, which the deployed function uses too.
"""
