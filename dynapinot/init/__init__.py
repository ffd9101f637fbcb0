"""``dynapinot init``: a proposal of a Pinot table, from the items of a DynamoDB table.

These modules are pure: ``profile`` counts what the items have, ``column_type`` and ``columns`` choose the columns,
``names`` names them, ``files`` writes the text of the three files, and ``next_steps`` lists what to do next.
``table_description``, ``scan`` and ``capacity`` ask AWS, ``folder`` writes the files, ``report`` shows the proposal,
and ``run`` calls all of them.
"""
