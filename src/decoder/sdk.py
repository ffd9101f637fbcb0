"""Images in the form of the AWS SDK and in the form of an event: a B is bytes in the one, base64 text in the other."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any


def from_sdk(image: Mapping[str, Any]) -> dict[str, Any]:
    """Convert an item or a key from the SDK's form into the form of an event."""
    return {name: _attribute(attribute, lambda data: b64encode(data).decode()) for name, attribute in image.items()}


def to_sdk(image: Mapping[str, Any]) -> dict[str, Any]:
    """Convert an event's item or key into the SDK's form."""
    return {name: _attribute(attribute, b64decode) for name, attribute in image.items()}


def _attribute(attribute: Mapping[str, Any], binary: Callable[[Any], Any]) -> dict[str, Any]:
    ((tag, value),) = attribute.items()
    match tag:
        case "B":
            return {tag: binary(value)}
        case "BS":
            return {tag: [binary(member) for member in value]}
        case "L":
            return {tag: [_attribute(item, binary) for item in value]}
        case "M":
            return {tag: {name: _attribute(item, binary) for name, item in value.items()}}
    return {tag: value}
