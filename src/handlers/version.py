"""The version of this software; pyproject.toml reads it from here, dead letters carry it."""

VERSION = "0.1.0"
