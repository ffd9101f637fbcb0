"""The Lambda functions: settings, the relay from an event to a batch response, and the entry points."""
