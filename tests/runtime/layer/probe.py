"""A handler around the function's own. It also returns the environment, paths and modules of the process."""

from __future__ import annotations

import importlib
import os
import sys


def handler(event, context):
    """Invoke the handler that the event names with the event in it."""
    module, _, function = event["handler"].rpartition(".")
    answer = getattr(importlib.import_module(module), function)(event["event"], context)
    return {
        "answer": answer,
        "environment": sorted(os.environ),
        "path": sys.path,
        "modules": {
            name: module.__file__ for name, module in list(sys.modules.items()) if getattr(module, "__file__", None)
        },
        "versions": {name: importlib.import_module(name).__version__ for name in event["versions"]},
        "python": list(sys.version_info[:2]),
    }
