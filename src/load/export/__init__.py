"""Reads DynamoDB's exports to S3: the request, the manifests, the data files and their lines.

Nothing of an export is trusted before it is checked: the summary by its MD5, the list of files by its MD5, the sum of
the files' counts, each file by the MD5 of its compressed bytes, its lines by their count. ``request`` and ``s3`` use
clients that they are passed; the other modules are pure but for callables.

What is called "seen in real exports" was seen in ``s3exportdata`` of github.com/gurre/ddb-pitr: a full and two
incremental exports of January 2026. Their MD5s match, but for the summaries', which were edited before publication.
The guide is
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
"""
