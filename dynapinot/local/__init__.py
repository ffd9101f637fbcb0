"""AWS and Pinot on this machine: for the demo, for the tests and for trying the function out."""
