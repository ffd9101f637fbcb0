"""The way out: rows onto a Kinesis stream, in order for each key, and dead letters into a bucket.

Knows keys, bytes and places in a batch; nothing of DynamoDB or Pinot.
"""
