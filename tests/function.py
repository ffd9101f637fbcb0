"""Starting the functions, which read the environment and connect to AWS when they are imported."""

from __future__ import annotations

import importlib
import logging
import sys


def set_environment(monkeypatch, tables, **variables):
    """Set what the functions and the SDK read: a folder of tables, a bucket, made-up credentials, and more."""
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
    """Import an entry point anew, in the environment of now."""
    forget(name)
    logging.Logger.manager.loggerDict.pop("dynapinot", None)  # it would go on writing to an earlier test's stdout
    return importlib.import_module(name)


def forget(*names):
    """Leave no entry point behind that was started in a test's environment."""
    for name in names:
        sys.modules.pop(name, None)
