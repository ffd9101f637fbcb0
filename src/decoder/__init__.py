"""DynamoDB's side: attribute values and stream records, as they arrive in a Lambda event.

Pure: nothing here knows AWS clients, the environment, the clock, a logger, or Pinot.
"""
