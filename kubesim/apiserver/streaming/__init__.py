"""The protocols of connections that were upgraded: bytes in, events out, no sockets."""
