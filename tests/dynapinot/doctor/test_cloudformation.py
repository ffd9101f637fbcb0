"""Templates: their tags, and what their functions work out to."""

from __future__ import annotations

import pytest

from dynapinot.doctor.cloudformation import Template, read_template
from dynapinot.doctor.finding import UNKNOWN
from dynapinot.errors import CommandError

TEXT = """
Parameters:
  Name: {Type: String, Default: items}
  Arn: {Type: String, Default: ""}
  Others: {Type: CommaDelimitedList, Default: "a, b"}
  Count: {Type: Number, Default: 3}
  Open: {Type: String}
Conditions:
  Makes: !Equals [!Ref Arn, ""]
  Takes: !Not [!Condition Makes]
  Both: !And [!Condition Makes, !Condition Takes]
  Either: !Or [!Condition Makes, !Equals [!Ref Open, x]]
  Unsure: !Equals [!Ref Open, x]
  Itself: !Not [!Condition Itself]
Resources:
  Stream:
    Type: AWS::Kinesis::Stream
    Condition: Makes
    Properties: {Name: !Ref Name, ShardCount: !Ref Count}
  Bucket: {Type: AWS::S3::Bucket}
  Taken: {Type: AWS::Kinesis::Stream, Condition: Takes}
  Maybe: {Type: AWS::Kinesis::Stream, Condition: Unsure}
Globals:
  Function: {Timeout: !Ref Count}
"""


@pytest.fixture
def template(tmp_path):
    (tmp_path / "template.yaml").write_text(TEXT)
    return lambda region="us-east-1", **given: Template(read_template(tmp_path / "template.yaml"), given, region)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Name"}, "items"),
        ({"Ref": "Count"}, "3"),
        ({"Ref": "Others"}, ["a", "b"]),
        ({"Ref": "Open"}, UNKNOWN),
        ({"Ref": "AWS::Region"}, "us-east-1"),
        ({"Ref": "AWS::AccountId"}, UNKNOWN),
        ({"Ref": "Stream"}, "items"),
        ({"Ref": "Bucket"}, UNKNOWN),
        ({"Fn::GetAtt": ["Stream", "Arn"]}, "arn:aws:kinesis:us-east-1:000000000000:stream/items"),
        ({"Fn::GetAtt": "Bucket.Arn"}, "arn:aws:s3:::Bucket"),
        ({"Fn::GetAtt": ["Bucket", "DomainName"]}, UNKNOWN),
        ({"Fn::If": ["Makes", 1, 2]}, 1),
        ({"Fn::If": ["Takes", 1, 2]}, 2),
        ({"Fn::If": ["Unsure", 1, 2]}, UNKNOWN),
        ({"Condition": "Both"}, False),
        ({"Condition": "Either"}, True),
        ({"Condition": "Itself"}, UNKNOWN),
        ({"Condition": "Nix"}, UNKNOWN),
        ({"Condition": {"StringEquals": {"a": "b"}}}, {"Condition": {"StringEquals": {"a": "b"}}}),
        ({"Fn::Sub": "x-${Name}-${!Literal}"}, "x-items-${Literal}"),
        ({"Fn::Sub": ["${a}/${Bucket.Arn}", {"a": {"Ref": "Name"}}]}, "items/arn:aws:s3:::Bucket"),
        ({"Fn::Sub": "${Open}"}, UNKNOWN),
        ({"Fn::Select": [1, {"Fn::Split": [":", "a:b:c"]}]}, "b"),
        ({"Fn::Select": [5, ["a"]]}, UNKNOWN),
        ({"Fn::Join": ["-", ["a", {"Ref": "Name"}]]}, "a-items"),
        ({"Fn::Join": ["", {"Ref": "Open"}]}, UNKNOWN),
        ({"Fn::ImportValue": "x"}, UNKNOWN),
        ({"Fn::If": ["Makes"]}, UNKNOWN),
        ([{"Ref": "AWS::NoValue"}, 1], [1]),
        ({"a": {"Ref": "AWS::NoValue"}, "b": 1}, {"b": 1}),
        ("text", "text"),
        (None, None),
    ],
)
def test_values_are_worked_out_as_far_as_they_can_be(template, value, expected):
    assert template().evaluate(value) == expected


def test_a_given_value_wins_over_the_default(template):
    given = template(Name="others", Arn="arn:x", Others="c")
    assert (given.parameter("Name"), given.parameter("Others"), given.parameter("Nix")) == ("others", ["c"], UNKNOWN)
    assert given.condition("Makes") is False


def test_a_region_that_is_not_known_is_any(template):
    assert template(None).evaluate({"Fn::GetAtt": ["Stream", "Arn"]}) == "arn:aws:kinesis:*:000000000000:stream/items"


def test_only_what_a_stack_would_have_or_may_have_is_given(template):
    assert [(each.name, dict(each.properties)) for each in template().resources("AWS::Kinesis::Stream")] == [
        ("Stream", {"Name": "items", "ShardCount": "3"}),
        ("Maybe", {}),
    ]
    assert [each.name for each in template(Arn="x", Open="y").resources("AWS::Kinesis::Stream")] == ["Taken"]


def test_globals_are_worked_out_as_well(template):
    assert template().globals("Function") == {"Timeout": "3"}
    assert template().globals("Api") == {}


@pytest.mark.parametrize("text", ["a: [", "[]", "Resources: []", None])
def test_a_file_that_is_no_template_is_refused(tmp_path, text):
    file = tmp_path / "template.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(CommandError, match=r"template\.yaml: it (cannot be read as a template|has no Resources)"):
        read_template(file)
