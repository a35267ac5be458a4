"""The programs of the simulated machines. Each is a function from a `Process` to its exit code."""
