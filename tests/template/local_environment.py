"""Print the environment variables that `sam local invoke` gives the function, without the Docker that it needs.

Runs in the SAM command line's environment. Reads a JSON list of the contents of ``--env-vars`` files from standard
input, and writes the list of the resulting variables to standard output.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from samcli.commands.local.lib.local_lambda import LocalLambdaRunner
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


def environment(env_vars: dict[str, dict[str, str]]) -> dict[str, str]:
    runner = LocalLambdaRunner(
        local_runtime=None,
        function_provider=FUNCTIONS,
        cwd=str(TEMPLATE.parent),
        real_path=str(TEMPLATE.parent),
        env_vars_values=env_vars,
    )
    return runner._make_env_vars(FUNCTIONS.get("Replicator")).resolve()


FUNCTIONS = SamFunctionProvider(SamLocalStackProvider.get_stacks(template_file=str(TEMPLATE))[0])
json.dump([environment(env_vars) for env_vars in json.load(sys.stdin)], sys.stdout)
