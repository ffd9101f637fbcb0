"""``dynapinot gap``: repair what was never replicated, by DynamoDB's incremental exports, and find when that was.

The rows are made and sent as those of a load: a gap is a load that reads incremental exports.
"""
