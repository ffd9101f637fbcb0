"""How much the function costs, next to what people write first: ``make bench``, ``make bench-compare``."""
