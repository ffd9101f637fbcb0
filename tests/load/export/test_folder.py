from __future__ import annotations

import pytest

from load.export.errors import ExportError
from load.export.folder import Folder, parse_folder

ID = "01768385930622-efd1a093"


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        (f"s3://exports/AWSDynamoDB/{ID}", Folder("exports", f"AWSDynamoDB/{ID}")),
        (f"s3://exports/AWSDynamoDB/{ID}/", Folder("exports", f"AWSDynamoDB/{ID}")),
        (f"s3://exports/AWSDynamoDB/{ID}/manifest-summary.json", Folder("exports", f"AWSDynamoDB/{ID}")),
        (f"s3://my.exports-1/a/b c/AWSDynamoDB/{ID}", Folder("my.exports-1", f"a/b c/AWSDynamoDB/{ID}")),
    ],
)
def test_a_folder_is_given_with_or_without_what_is_often_copied_with_it(url, folder):
    assert parse_folder(url) == folder
    assert parse_folder(folder.url) == folder
    assert folder.export_id == ID


@pytest.mark.parametrize(
    "url",
    [
        "",
        "scan",
        f"exports/AWSDynamoDB/{ID}",
        f"https://exports.s3.amazonaws.com/AWSDynamoDB/{ID}",
        f"arn:aws:s3:::exports/AWSDynamoDB/{ID}",
        "s3://exports",
        "s3://exports/",
        f"s3:///AWSDynamoDB/{ID}",
        "s3://exports/AWSDynamoDB",
        "s3://exports/AWSDynamoDB/data/",
        f"s3://exports/AWSDynamoDB/{ID}/data/",
        f"s3://exports/AWSDynamoDB/{ID}/manifest-files.json",
        f"s3://exports/{ID}",
        f"s3://exports/notAWSDynamoDB/{ID}",
    ],
)
def test_another_url_is_refused_with_the_form_that_is_expected(url):
    with pytest.raises(ExportError) as error:
        parse_folder(url)
    assert str(error.value) == (
        f"{url} is not the folder of an export. Give it as s3://<bucket>/[<prefix>/]AWSDynamoDB/<export id>: "
        "the folder that holds manifest-summary.json"
    )
