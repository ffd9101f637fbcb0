"""The options of the demo against a running Pinot."""

from __future__ import annotations

from dataclasses import dataclass

from dynapinot.defaults import BROKER, CONTROLLER, DEMO_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where everything is, None for what this command embeds; ``timeout`` in seconds is for each step of the walk.

    ``kinesis_endpoint_of_pinot`` is the same Kinesis as Pinot has to call it, from inside of a container for example.
    ``table_suffix`` is appended to the names of the two tables and the stream; ``clean`` removes what the demo created.
    """

    controller: str = CONTROLLER
    broker: str = BROKER
    secret: str | None = None
    dynamodb_endpoint: str | None = None
    kinesis_endpoint: str | None = None
    kinesis_endpoint_of_pinot: str | None = None
    table_suffix: str = ""
    timeout: float = DEMO_TIMEOUT_SECONDS
    clean: bool = False
