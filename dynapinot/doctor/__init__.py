"""``dynapinot doctor``: the whole path from the DynamoDB table to the Pinot table, looked at before it is trusted.

What can be known of files alone is in ``tables``, ``creation``, ``template`` (by ``cloudformation``) and ``samples``.
What AWS and Pinot say of themselves is in ``source`` (DynamoDB), ``mapping``, ``function``, ``telemetry`` (CloudWatch),
``stream`` (Kinesis), ``pinot`` and ``meters``. Each has pure checks; ``deployed`` and what is called ``look`` ask,
``run`` puts them together, and ``report`` writes.
"""
