"""The heartbeat: items written to the DynamoDB table so that each shard gets a row, and looked for on the shards.

Pure: services, the clock and the waiting are callables that the entry point passes in.
"""
