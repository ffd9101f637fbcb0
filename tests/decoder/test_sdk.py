from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from decoder.sdk import from_sdk, to_sdk
from strategies import encode, texts, values


@given(st.dictionaries(texts, values, max_size=5))
def test_converting_an_image_to_the_sdks_form_and_back_changes_nothing(item):
    image = {name: encode(value) for name, value in item.items()}
    assert from_sdk(to_sdk(image)) == image


def test_a_binary_in_the_sdks_form_is_bytes():
    item = {"b": b"\x00", "bs": {b"x"}, "l": [b"y"], "m": {"b": b"z"}}
    image = {name: TypeSerializer().serialize(value) for name, value in item.items()}
    assert from_sdk(image) == {
        "b": {"B": "AA=="},
        "bs": {"BS": ["eA=="]},
        "l": {"L": [{"B": "eQ=="}]},
        "m": {"M": {"b": {"B": "eg=="}}},
    }
    assert to_sdk(from_sdk(image)) == image
