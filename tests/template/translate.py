"""Translate template.yaml with the SAM translator, as CloudFormation does at a deployment, but without a network.

Runs in the SAM command line's environment. Reads ``{case: [{parameter: value}, addition]}`` as JSON from standard
input, and writes ``{case: template}`` to standard output. An addition is YAML that is merged into the template's
sections first.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
LOCAL = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::StateMachine": "DefinitionUri"}


class NoManagedPolicies:
    """Replaces the loader that would ask IAM: the template names no managed policy."""

    def load(self) -> dict[str, str]:
        return {}


def translate(parameters: dict[str, object], addition: str) -> dict[str, object]:
    template = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    for section, more in (yaml_parse(addition) if addition else {}).items():
        assert not template[section].keys() & more.keys(), "an addition replaces nothing"
        template[section] |= more
    for resource in template["Resources"].values():
        if local := LOCAL.get(resource["Type"]):
            resource["Properties"][local] = "s3://bucket/key"  # sam package replaces the path with this
    return transform(template, parameters, NoManagedPolicies(), passthrough_metadata=True)


json.dump({case: translate(*given) for case, given in json.load(sys.stdin).items()}, sys.stdout)
