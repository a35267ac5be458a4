"""The OpenAPI documents of the API server: `/openapi/v2` and `/openapi/v3`.

`serving` answers requests, out of its cache or of `documents`, which put together what `schemas` make of the
published definitions and what `operations` say of each resource; `protobuf` encodes the older form. Nothing of
this is loaded before a client asks for a document.
"""
