"""Output: rows to a Kinesis stream, in order for each key, and dead letters to a bucket.

Knows keys, bytes and positions in a batch, and nothing of DynamoDB or Pinot.
"""
