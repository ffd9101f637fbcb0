"""``dynapinot demo``, and ``publish``, ``update`` and ``delete``: the seed's table, replicated before your eyes."""
