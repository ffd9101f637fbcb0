"""A bucket in memory for tests of the export reader, whose connections break where a test says so."""

from __future__ import annotations

import hashlib
from functools import partial
from io import BytesIO

from load.export.errors import BrokenConnectionError, ExportError, MissingObjectError
from load.export.stream import Body, ObjectStream


class BucketFake:
    """``breaks`` has how many bytes each connection in turn returns before it breaks; later ones do not break.

    ``requests`` keeps the key, the offset and the ETag of each request, ``pauses`` the seconds between attempts,
    ``open_bodies`` how many answers are not closed.
    """

    def __init__(self, objects, *, bucket="exports", breaks=()):
        self.bucket = bucket
        self.objects = dict(objects)
        self.breaks = list(breaks)
        self.requests = []
        self.pauses = []
        self.open_bodies = 0

    def open(self, key, etag):
        url = f"s3://{self.bucket}/{key}"
        return ObjectStream(partial(self._open_at, key, url), url, etag=etag, sleep=self.pauses.append)

    def fetch(self, key):
        if key not in self.objects:
            raise MissingObjectError(f"s3://{self.bucket}/{key}")
        return self.objects[key]

    def etag(self, key):
        return f'"{hashlib.md5(self.objects[key]).hexdigest()}"'

    def _open_at(self, key, url, offset, match):
        self.requests.append((key, offset, match))
        data = self.fetch(key)
        if match not in (None, self.etag(key)):
            raise ExportError(f"{url} was replaced")
        rest, left = BytesIO(data[offset:]), self.breaks.pop(0) if self.breaks else len(data)
        self.open_bodies += 1

        def read(count):
            nonlocal left
            if not left:
                raise BrokenConnectionError("Broken")
            part = rest.read(min(count, left))
            left -= len(part)
            return part

        def close():
            self.open_bodies -= 1

        return Body(self.etag(key), len(data), read, close)
