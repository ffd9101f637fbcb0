"""``dynapinot verify``: whether a Pinot table shows what its DynamoDB table holds."""
