"""The order in which Kubernetes' controllers put endpoint ports: that of a hash of how Go prints them.

k8s.io/utils/dump.ForHash prints a value with its types; pkg/api/v1/endpoints sorts ports by the MD5 of that
text, and k8s.io/endpointslice by its 128-bit FNV-1a. Whoever reads `get endpoints` sees that order.
"""

from __future__ import annotations

from hashlib import md5

from kubesim.util.jsontypes import JSONObject

_FNV_OFFSET = 0x6C62272E07BB014262B821756295C58D
_FNV_PRIME = 0x0000000001000000000000000000013B
_MASK = (1 << 128) - 1


def endpoints_port_order(port: JSONObject) -> bytes:
    """The sort key of a port of Endpoints: portsByHash in pkg/api/v1/endpoints/util.go."""
    app_protocol = _pointer("string", port.get("appProtocol"))
    text = (
        f"(v1.EndpointPort){{Name:(string){port.get('name') or ''} Port:(int32){port['port']}"
        f" Protocol:(v1.Protocol){port.get('protocol') or ''} AppProtocol:{app_protocol}}}"
    )
    return md5(text.encode(), usedforsecurity=False).digest()


def slice_port_order(port: JSONObject) -> str:
    """The sort key of a port of an EndpointSlice: portsInOrder in k8s.io/endpointslice/util."""
    fields = (
        f"Name:{_pointer('string', port.get('name'))}",
        f"Protocol:{_pointer('v1.Protocol', port.get('protocol'))}",
        f"Port:{_pointer('int32', port.get('port'))}",
        f"AppProtocol:{_pointer('string', port.get('appProtocol'))}",
    )
    text = f"(v1.EndpointPort){{{' '.join(fields)}}}"
    value = _FNV_OFFSET
    for byte in text.encode():
        value = ((value ^ byte) * _FNV_PRIME) & _MASK
    return f"{value:032x}"


def _pointer(kind: str, value: object) -> str:
    return f"(*{kind}){'<nil>' if value is None else value}"
