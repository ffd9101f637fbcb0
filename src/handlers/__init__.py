"""The Lambda function: settings, the relay from an event to a batch response, and the entry point."""
