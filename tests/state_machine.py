"""The load's state machine as it is deployed, but with retries that do not wait."""

from __future__ import annotations

import json
from pathlib import Path

FILE = Path(__file__).parents[1] / "statemachines" / "load.asl.json"
FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:load"


def deployed_definition():
    """Return the definition with the template's substitutions made."""
    text = FILE.read_text().replace("${LoaderArn}", FUNCTION_ARN).replace("${Partition}", "aws")
    assert "${" not in text
    return json.loads(text)


def definition():
    """Return the definition with intervals of at most a second: emulators really wait."""
    found = deployed_definition()
    for state in (*found["States"].values(), *found["States"]["Units"]["ItemProcessor"]["States"].values()):
        for retry in state.get("Retry", ()):
            retry |= {"IntervalSeconds": 1, "MaxDelaySeconds": 2}
    return found
