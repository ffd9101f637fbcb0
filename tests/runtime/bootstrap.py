"""Start the function as Lambda's own ``/var/runtime/bootstrap`` does.

``python -I -B bootstrap.py <log file> <handler>``, by the Python of ``.venv-runtime``, which has what Lambda's runtime
has: its client, and the SDK. The function's own folder goes first on the path, a layer's behind it, then Python's and
the runtime's. ``-I`` keeps out everything else; ``-B``, because a function cannot write into its folder.

What the function says on stdout and stderr goes to the file, as on AWS it goes to CloudWatch: the emulator would mix
its own lines with it.
"""

from __future__ import annotations

import os
import sys


def start(log: str, handler: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], *filter(None, [os.environ.get("LAYER")])]

    from awslambdaric.__main__ import main  # noqa: PLC0415  # not before the path is the function's

    main([__file__, handler])


start(*sys.argv[1:])
