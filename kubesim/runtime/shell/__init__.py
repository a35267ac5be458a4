"""A POSIX shell that lives wholly inside the simulation: dash, bash's basics, and busybox' ash in what they print."""
