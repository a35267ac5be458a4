"""A whole cluster: its configuration, and the one place where everything is put together."""
