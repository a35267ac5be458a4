"""A simulated ingress-nginx: what its configuration is, and the server that has it."""
