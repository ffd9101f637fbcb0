"""`sam deploy`, as far as it goes without AWS: the real template, translated by SAM itself, becomes a stack of moto's.

What CloudFormation would refuse of the parameters is refused. Every function gets the code that was built for the one
that replicates. Takes the real sam's path, then its arguments.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import boto3

sys.tracebacklimit = 0


def main(sam, *arguments):
    told = _parse(arguments)
    _only_options_of_sam(sam, arguments)
    assert Path(".aws-sam/build/template.yaml").exists(), "there is no .aws-sam/build: run make build first"
    given = dict(each.split("=", 1) for each in told.parameter_overrides)
    template = _translate(sam, {**given, "AWS::Region": told.region})
    _refuse(template["Parameters"], given)
    _create(told.stack_name, told.region, template, given)
    sys.stdout.write(f"Successfully created/updated stack - {told.stack_name} in {told.region}\n")


def _parse(arguments):
    defaults = tomllib.loads(Path("samconfig.toml").read_text())["default"]["global"]["parameters"]
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--stack-name", default=defaults["stack_name"])
    parser.add_argument("--region", default=defaults["region"])
    parser.add_argument("--parameter-overrides", nargs="*", default=[])
    parser.add_argument("--no-confirm-changeset", action="store_true")
    return parser.parse_args(arguments)


def _only_options_of_sam(sam, arguments):
    help_text = subprocess.run([sam, "deploy", "--help"], check=True, capture_output=True, text=True).stdout
    known = set(re.findall(r"--[a-z0-9-]+", help_text))
    strange = [each for each in arguments if each.startswith("--") and each not in known]
    assert not strange, f"sam deploy has no {strange}"


def _translate(sam, parameters):
    python = Path(sam).with_name("python")
    given = json.dumps({"guide": [parameters, ""]})
    command = [python, "tests/template/translate.py"]
    done = subprocess.run(command, input=given, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)["guide"]


def _refuse(parameters, given):
    for name, value in given.items():
        assert name in parameters, f"Parameters: [{name}] do not exist in the template"
        rule = parameters[name]
        pattern = rule.get("AllowedPattern")
        assert pattern is None or re.fullmatch(pattern, value), f"Parameter {name} failed to satisfy {pattern}"
        if rule["Type"] == "Number":
            assert rule.get("MinValue", 0) <= int(value) <= rule.get("MaxValue", sys.maxsize), f"{name}: {value}"


def _create(name, region, template, given):
    session = boto3.Session(region_name=region)
    _upload_code(session.client("s3"))
    session.client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    functions = session.client("lambda")
    for function in functions.list_functions()["Functions"]:  # to CloudFormation every variable is text, not to moto
        variables = {key: str(value) for key, value in function["Environment"]["Variables"].items()}
        functions.update_function_configuration(
            FunctionName=function["FunctionName"], Environment={"Variables": variables}
        )


def _upload_code(s3):
    """Put what was built where the translated template has the functions' code: s3://bucket/key."""
    built, archive = Path(".aws-sam/build/Replicator"), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(built.rglob("*")):
            opened.write(path, path.relative_to(built))
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="key", Body=archive.getvalue())


if __name__ == "__main__":
    main(*sys.argv[1:])
