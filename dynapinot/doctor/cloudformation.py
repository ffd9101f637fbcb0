"""A CloudFormation template with its parameters filled in, as far as they are known: what a stack of it is made of.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from dynapinot.doctor.finding import UNKNOWN
from dynapinot.errors import CommandError

_NOTHING: Final = object()  # !Ref AWS::NoValue: the property is not there
_REFERENCE: Final = re.compile(r"\$\{(!?)([^}]+)\}")


class _Loader(yaml.SafeLoader):
    """Reads ``!Ref x`` as ``{"Ref": "x"}`` and ``!Sub x`` as ``{"Fn::Sub": "x"}``, which mean the same."""


def _tagged(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # the third kind there is
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tagged)


def read_template(file: Path) -> dict[str, Any]:
    """Parse a template. Raises CommandError."""
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506  # it is a SafeLoader
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CommandError(f"{file}: it cannot be read as a template: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise CommandError(f"{file}: it has no Resources; give a CloudFormation template")
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource that a stack would have, its properties as far as they are known (UNKNOWN where not)."""

    name: str
    type: str
    properties: Mapping[str, Any]


class Template:
    """A template and the values of its parameters; ``region`` is where the stack is, None if it is not known."""

    def __init__(self, document: Mapping[str, Any], given: Mapping[str, str], region: str | None) -> None:
        self._document = document
        self._parameters = {
            name: _value(given.get(name, declared.get("Default", UNKNOWN)), declared.get("Type", "String"))
            for name, declared in (document.get("Parameters") or {}).items()
        }
        self._pseudo: dict[str, Any] = {
            "AWS::NoValue": _NOTHING,
            "AWS::Region": region or UNKNOWN,
            "AWS::Partition": "aws",
        }
        self._conditions: dict[str, Any] = {}

    def parameter(self, name: str) -> Any:  # noqa: ANN401
        """Give a parameter's value, UNKNOWN if it has none."""
        return self._parameters.get(name, UNKNOWN)

    def resources(self, *types: str) -> Iterator[Resource]:
        """Give the resources of these types whose condition does not rule them out."""
        for name, declared in self._document["Resources"].items():
            if isinstance(declared, dict) and declared.get("Type") in types and self._is_made(declared):
                properties = self.evaluate(declared.get("Properties") or {})
                yield Resource(name=name, type=declared["Type"], properties=properties)

    def globals(self, kind: str) -> Mapping[str, Any]:
        """Give what SAM's Globals say of a kind of resource."""
        found = self.evaluate(((self._document.get("Globals") or {}).get(kind)) or {})
        return found if isinstance(found, Mapping) else {}

    def evaluate(self, value: Any) -> Any:  # noqa: ANN401  # any YAML
        """Work out a value; what depends on something unknown is UNKNOWN."""
        if isinstance(value, list):
            return [each for each in map(self.evaluate, value) if each is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name in _FUNCTIONS and (name != "Condition" or isinstance(argument, str)):  # a policy has Conditions too
                return self._call(name, argument)
            if str(name).startswith("Fn::"):
                return UNKNOWN
        known = {key: self.evaluate(each) for key, each in value.items()}
        return {key: each for key, each in known.items() if each is not _NOTHING}

    def _call(self, name: str, argument: Any) -> Any:  # noqa: ANN401
        try:
            return _FUNCTIONS[name](self, argument)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # CloudFormation would refuse it
            return UNKNOWN

    def ref(self, name: Any) -> Any:  # noqa: ANN401
        """Give what ``!Ref`` of a parameter, a pseudo parameter or a resource is."""
        if name in self._parameters:
            return self._parameters[name]
        if name in self._pseudo:
            return self._pseudo[name]
        declared = self._document["Resources"].get(name)
        if isinstance(declared, dict) and declared.get("Type") == "AWS::Kinesis::Stream":
            return self.evaluate((declared.get("Properties") or {}).get("Name", UNKNOWN))
        return UNKNOWN

    def attribute(self, argument: Any) -> Any:  # noqa: ANN401
        """Give what ``!GetAtt`` is: a Kinesis stream's ARN, with an account of zeros and * for an unknown region, or a
        bucket's, with its name in the template.
        """
        name, _, attribute = argument.partition(".") if isinstance(argument, str) else (argument[0], "", argument[1])
        declared = self._document["Resources"].get(name)
        kind = declared.get("Type") if isinstance(declared, dict) else None
        if attribute == "Arn" and kind == "AWS::Kinesis::Stream":
            region, stream = self._pseudo["AWS::Region"], self.ref(name)
            if stream is UNKNOWN:
                return UNKNOWN
            return f"arn:aws:kinesis:{'*' if region is UNKNOWN else region}:000000000000:stream/{stream}"
        if attribute == "Arn" and kind == "AWS::S3::Bucket":
            return f"arn:aws:s3:::{name}"
        return UNKNOWN

    def condition(self, name: str) -> Any:  # noqa: ANN401  # True, False or UNKNOWN
        """Work out a condition."""
        if name not in self._conditions:
            self._conditions[name] = UNKNOWN  # while it is worked out: one that needs itself is not known
            self._conditions[name] = self.evaluate((self._document.get("Conditions") or {}).get(name, UNKNOWN))
        return self._conditions[name]

    def _is_made(self, declared: Mapping[str, Any]) -> bool:
        name = declared.get("Condition")
        return name is None or self.condition(name) is not False


def _value(value: Any, kind: str) -> Any:  # noqa: ANN401
    if value is UNKNOWN:
        return UNKNOWN
    if kind == "CommaDelimitedList" or kind.startswith("List<"):
        return [each.strip() for each in str(value).split(",")] if str(value) else [""]
    return str(value)


def _if(template: Template, argument: Any) -> Any:  # noqa: ANN401
    condition = template.condition(argument[0])
    if condition is UNKNOWN:
        return UNKNOWN
    return template.evaluate(argument[1] if condition else argument[2])


def _equals(template: Template, argument: Any) -> Any:  # noqa: ANN401
    left, right = map(template.evaluate, argument)
    return UNKNOWN if UNKNOWN in (left, right) else str(left) == str(right)


def _not(template: Template, argument: Any) -> Any:  # noqa: ANN401
    value = template.evaluate(argument[0])
    return UNKNOWN if value is UNKNOWN else not value


def _all(template: Template, argument: Any) -> Any:  # noqa: ANN401
    values = list(map(template.evaluate, argument))
    return False if False in values else UNKNOWN if UNKNOWN in values else True


def _any(template: Template, argument: Any) -> Any:  # noqa: ANN401
    values = list(map(template.evaluate, argument))
    return True if True in values else UNKNOWN if UNKNOWN in values else False


def _sub(template: Template, argument: Any) -> Any:  # noqa: ANN401
    text, variables = (argument, {}) if isinstance(argument, str) else argument
    unknown = False

    def replace(match: re.Match[str]) -> str:
        nonlocal unknown
        literal, name = match.groups()
        if literal:
            return f"${{{name}}}"
        if name in variables:
            value = template.evaluate(variables[name])
        else:
            value = template.attribute(name) if "." in name else template.ref(name)
        unknown = unknown or value is UNKNOWN
        return str(value)

    replaced = _REFERENCE.sub(replace, text)
    return UNKNOWN if unknown else replaced


def _select(template: Template, argument: Any) -> Any:  # noqa: ANN401
    index, values = template.evaluate(argument[0]), template.evaluate(argument[1])
    if UNKNOWN in (index, values) or not isinstance(values, Sequence) or int(index) >= len(values):
        return UNKNOWN
    return values[int(index)]


def _split(template: Template, argument: Any) -> Any:  # noqa: ANN401
    text = template.evaluate(argument[1])
    return UNKNOWN if text is UNKNOWN else str(text).split(argument[0])


def _join(template: Template, argument: Any) -> Any:  # noqa: ANN401
    values = template.evaluate(argument[1])
    if values is UNKNOWN or UNKNOWN in values:
        return UNKNOWN
    return str(argument[0]).join(map(str, values))


_FUNCTIONS: Final[dict[str, Callable[[Template, Any], Any]]] = {
    "Ref": Template.ref,
    "Condition": Template.condition,
    "Fn::GetAtt": Template.attribute,
    "Fn::If": _if,
    "Fn::Equals": _equals,
    "Fn::Not": _not,
    "Fn::And": _all,
    "Fn::Or": _any,
    "Fn::Sub": _sub,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Join": _join,
}
