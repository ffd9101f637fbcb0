"""The pictures of docs/ are what their scripts draw, and their words are inside of them."""

from __future__ import annotations

import importlib.util
import re
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).parents[2]


def timeline():
    spec = importlib.util.spec_from_file_location("timeline", ROOT / "scripts" / "draw_load_timeline.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_picture_is_what_the_script_draws():
    script = timeline()
    assert script.PICTURE.read_text() == script.draw(), "run make pictures"
    assert f"]({script.PICTURE.relative_to(ROOT / 'docs')})" in (ROOT / "docs" / "load.md").read_text()


def test_the_picture_has_the_order_of_moments_that_the_rule_is_about():
    script = timeline()
    one, two, three = (x for x, _ in script.CHANGES)
    assert script.STREAM < one < script.VERSION < two < script.READ < three


def test_every_colour_of_a_light_page_has_one_for_a_dark_page():
    light, dark = timeline().STYLE.split("@media (prefers-color-scheme: dark)")
    coloured = re.compile(r"^ *([^{]+) \{[^}]*#[0-9a-f]{6}", re.MULTILINE)
    names = [{each.strip() for found in coloured.findall(part) for each in found.split(",")} for part in (light, dark)]
    assert names[0] == names[1]
    assert "text" in names[0]


def test_no_two_texts_of_the_picture_overlap():
    """About: a letter of 13 pixels is 7 wide, which is more than the usual fonts have."""
    boxes = []
    for each in ET.fromstring(timeline().draw()).iter("{http://www.w3.org/2000/svg}text"):
        x, width = float(each.get("x")), 7 * len(each.text)
        left = x - {"start": 0, "middle": width / 2, "end": width}[each.get("text-anchor")]
        boxes.append((each.text, left, left + width, float(each.get("y"))))
    assert [text for text, left, right, _ in boxes if left < 0 or right > timeline().WIDTH] == []
    for number, (text, left, right, y) in enumerate(boxes):
        for other, other_left, other_right, other_y in boxes[number + 1 :]:
            assert abs(y - other_y) >= 12 or right <= other_left or other_right <= left, f"{text!r} and {other!r}"
