"""How much the function costs, beside the usual alternatives: ``make bench``, ``make bench-compare``."""
