"""``dynapinot init``: from what a DynamoDB table holds, a proposal of its Pinot table.

``profile`` counts what items have, ``choice`` and ``columns`` decide by the counts, ``names`` what columns are called,
``files`` writes the three files' text, ``steps`` what comes next: all pure. ``described``, ``scan`` and ``capacity``
ask AWS, ``folder`` writes, ``report`` shows, ``init`` runs it all.
"""
