"""ministack on a free port that it says, for as long as somebody holds its stdin open. Runs in .venv-ministack."""

from __future__ import annotations

import asyncio
import os
import socket
import sys

HOST = "127.0.0.1"

with socket.socket() as probe:
    probe.bind((HOST, 0))
    PORT = probe.getsockname()[1]
os.environ["GATEWAY_PORT"] = str(PORT)  # which it reads when it is imported, for the functions' endpoint

from hypercorn.asyncio import serve  # noqa: E402
from hypercorn.config import Config  # noqa: E402
from ministack.app import app  # noqa: E402


async def ready() -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection(HOST, PORT)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


async def main() -> None:
    config = Config()
    config.bind = [f"{HOST}:{PORT}"]
    config.loglevel = "WARNING"
    end = asyncio.Event()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=end.wait))
    await ready()
    print(f"port {PORT}", flush=True)  # noqa: T201
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    end.set()
    await server


asyncio.run(main())
