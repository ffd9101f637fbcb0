"""Starts the functions, which read the environment and connect to AWS when they are imported."""

from __future__ import annotations

import importlib
import logging
import sys


def set_environment(monkeypatch, tables, **variables):
    """Set the variables of the functions and the SDK: a folder of tables, a bucket, fake credentials, and more."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "DEAD_LETTER_BUCKET": "dead",
        "TABLES_DIR": str(tables),
        **variables,
    }.items():
        monkeypatch.setenv(name, value)


def load(name):
    """Import an entry point again, in the current environment."""
    forget(name)
    logging.Logger.manager.loggerDict.pop("dynapinot", None)  # it would still write to an earlier test's stdout
    return importlib.import_module(name)


def forget(*names):
    """Unload the entry points that were started in a test's environment."""
    for name in names:
        sys.modules.pop(name, None)
