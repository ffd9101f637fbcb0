"""Changes of meetups, for the shipped table."""

from __future__ import annotations

from changes import insert
from dynapinot.defaults import MEETUPS_TABLE

UNICODE = 'Zürich, 東京, \N{ROCKET}, e\N{COMBINING ACUTE ACCENT}, \N{LINE SEPARATOR}, \N{HEBREW LETTER ALEF}, \\u0041 "'


def meetup(number, sequence=None, **attributes):
    """The insert of one meetup."""
    keys = {"meetup_id": {"S": f"meetup-{number:06d}"}, "mtime": {"N": "1719080907442"}}
    values = {
        "meetup_name": {"S": f"Meetup {number}"},
        "venue_name": {"S": "Venue 4"},
        "group_id": {"N": "7718"},
        "group_name": {"S": "Group 8"},
        "group_city": {"S": "San Francisco"},
        "group_country": {"S": "UK"},
        "group_lat": {"N": "24.506611"},
        "group_lon": {"N": "84.687237"},
        "rsvp_count": {"N": "45"},
    }
    number = sequence if sequence is not None else number
    return insert(keys, values | attributes, table=MEETUPS_TABLE, sequence=number)
