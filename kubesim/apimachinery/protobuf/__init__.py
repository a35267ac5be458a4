"""`application/vnd.kubernetes.protobuf`: objects as client-go's typed clients send them, from and to the plain dict
that JSON would give.

Nothing here is loaded before the first such body arrives.
"""
