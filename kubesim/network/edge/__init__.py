"""The edge of the cluster: real sockets on this computer that lead into the simulated network."""
