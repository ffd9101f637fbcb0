"""``dynapinot explain``: what changes and items become, without sending anything."""
