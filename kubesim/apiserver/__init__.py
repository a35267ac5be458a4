"""The API server: requests as values in, responses out; the HTTP face is one of its users."""
