"""Start the function as Lambda's own ``/var/runtime/bootstrap`` does.

``python -I -B bootstrap.py <log file> <handler>``, with the Python of ``.venv-runtime``, which has the packages of
Lambda's runtime: its client and the SDK. The function's own folder is first on the path, then a layer's, then Python's
and the runtime's. ``-I`` excludes everything else; ``-B`` because a function cannot write into its folder.

The function's output on stdout and stderr goes to the file, as it goes to CloudWatch on AWS: the emulator would mix it
with its own lines.
"""

from __future__ import annotations

import os
import sys


def start(log: str, handler: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], *filter(None, [os.environ.get("LAYER")])]

    from awslambdaric.__main__ import main  # noqa: PLC0415  # only after the path is set

    main([__file__, handler])


start(*sys.argv[1:])
