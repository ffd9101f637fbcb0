"""What AWS and Pinot do, on this machine: for the demo, for the tests and for whoever tries the function out."""
