"""How the rest of the house talks to the API server: one client over a transport, and what is built on it."""
