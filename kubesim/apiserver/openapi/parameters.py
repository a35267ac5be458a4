"""The parameters of the API server's operations: where each is found, its type, and what it is for."""

from __future__ import annotations

from typing import Final, NamedTuple

CREATE: Final = ("dryRun", "fieldManager", "fieldValidation")
PATCH: Final = (*CREATE, "force")
DELETE: Final = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
LIST: Final = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
)
DELETE_COLLECTION: Final = (*DELETE, *(p for p in LIST if p not in ("allowWatchBookmarks", "watch")))
LOG: Final = (
    "container",
    "follow",
    "insecureSkipTLSVerifyBackend",
    "limitBytes",
    "previous",
    "sinceSeconds",
    "tailLines",
    "timestamps",
)
_STREAMS: Final = ("container", "stderr", "stdin", "stdout", "tty")
CONNECT: Final = {
    "attach": _STREAMS,
    "exec": ("command", *_STREAMS),
    "portforward": ("ports",),
    "proxy": ("?path",),
}


class Parameter(NamedTuple):
    """A parameter in the path is always required, one in the query never."""

    name: str
    place: str
    type: str
    description: str


_PATH: Final = {
    "name": "name of the {kind}",
    "namespace": "object name and auth scope, such as for teams and projects",
    "path": "path to the resource",
}

_QUERY: Final = {
    "?path": ("string", "The path, with its query, that is asked of what lies behind the proxy."),
    "allowWatchBookmarks": ("boolean", "Whether a watch may be sent events of the type BOOKMARK."),
    "command": ("string", "The command and its arguments, one a parameter; no shell reads them."),
    "container": ("string", "The container that is meant; not needed where the Pod has only one."),
    "continue": (
        "string",
        (
            "Where to go on: the value that the previous part of the list came with. An expired one is answered with"
            " 410."
        ),
    ),
    "dryRun": ("string", "All: go through every stage of the request, and keep nothing of it."),
    "fieldManager": (
        "string",
        (
            "The name under which the change is recorded in metadata.managedFields, of at most 128 printable"
            " characters."
        ),
    ),
    "fieldSelector": ("string", "Only the objects whose fields match; all where it is empty."),
    "fieldValidation": (
        "string",
        (
            "What becomes of fields that are unknown or given twice: Ignore drops them, Warn drops them with a warning"
            " for each, Strict refuses the request and names all of them. Warn is the default."
        ),
    ),
    "follow": ("boolean", "Whether to go on with what is logged from now on."),
    "force": ("boolean", "Whether an apply takes over fields that others own; for apply patches only."),
    "gracePeriodSeconds": (
        "integer",
        "How long the object may take to end, in seconds; 0 ends it at once, and the default is that of the kind.",
    ),
    "insecureSkipTLSVerifyBackend": (
        "boolean",
        "Whether the certificate of the kubelet that has the log goes unchecked.",
    ),
    "labelSelector": ("string", "Only the objects whose labels match; all where it is empty."),
    "limit": ("integer", "At most so many objects; metadata.continue then says where the rest begins."),
    "limitBytes": ("integer", "End after so many bytes."),
    "orphanDependents": (
        "boolean",
        "Deprecated in favour of propagationPolicy: whether dependents stay behind.",
    ),
    "ports": ("integer", "The ports to forward, where the connection is a WebSocket."),
    "pretty": ("string", "If it is 'true', the answer is indented."),
    "previous": ("boolean", "Whether the log of the terminated container before this one is meant."),
    "propagationPolicy": (
        "string",
        (
            "What becomes of dependents: Orphan leaves them, Background deletes them afterwards, Foreground before the"
            " object itself."
        ),
    ),
    "resourceVersion": (
        "string",
        (
            "What the answer must reflect; see"
            " https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions"
        ),
    ),
    "resourceVersionMatch": (
        "string",
        (
            "How resourceVersion is meant for a list: NotOlderThan or Exact; see"
            " https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions"
        ),
    ),
    "sendInitialEvents": (
        "boolean",
        (
            "Whether a watch begins with an event for each object there is, and a bookmark when that is done; needs"
            " resourceVersionMatch=NotOlderThan."
        ),
    ),
    "sinceSeconds": ("integer", "Only what was logged in so many seconds before now."),
    "stderr": ("boolean", "Whether standard error is sent."),
    "stdin": ("boolean", "Whether standard input is read."),
    "stdout": ("boolean", "Whether standard output is sent."),
    "tailLines": ("integer", "Only so many lines from the end."),
    "timeoutSeconds": ("integer", "Ends the call after so many seconds, whatever happens meanwhile."),
    "timestamps": ("boolean", "Whether each line begins with its time."),
    "tty": ("boolean", "Whether the process has a terminal."),
    "watch": ("boolean", "Whether to be sent changes instead of a list."),
}


def parameter(word: str, kind: str) -> Parameter:
    """The parameter of that name; `?path` is the one in the query. `kind` is what `name` names."""
    if word in _PATH:
        return Parameter(word, "path", "string", _PATH[word].format(kind=kind))
    type_, description = _QUERY[word]
    return Parameter(word.lstrip("?"), "query", type_, description)
