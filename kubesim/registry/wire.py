"""JSON from the wire: read fast, and where it is wrong, told as Go tells it."""

from __future__ import annotations

from typing import Any

from kubesim.util.gojson import loads
from kubesim.util.jsontypes import decode


def parse_json(text: bytes | str) -> Any:
    """Decode JSON. Raises GoJSONError with the text of encoding/json."""
    data = text.encode() if isinstance(text, str) else text
    try:
        return decode(data)
    except ValueError:
        # What the fast reader refuses is wrong for Go too, or is one of the few things that only Go puts up
        # with.
        return loads(data)
