"""The API server's face to the network: HTTP/1.1 over TLS or a Unix socket. Only here the web framework appears."""
