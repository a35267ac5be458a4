"""Extract the protobuf field numbers of the built-in kinds from the sources of Kubernetes.

    python tools/protobuf_table.py DIRECTORY > kubesim/apimachinery/protobuf/messages.json

The directory has working trees of api, apimachinery, apiextensions-apiserver and kube-aggregator of the
organisation kubernetes. Numbers and types come from `generated.proto`; the names that a field has in JSON, and
whether Go leaves its zero value out, from the tags of the Go struct of the same name in the files beside it.
Only the group versions that kubesim serves are taken, and the messages that these reach. Fields are never
renumbered, so the newest sources serve every version of Kubernetes.

`kinds` has the messages that are kinds, by group version; `messages` has the fields of each message:
`NUMBER=NAME:TYPE`, where NAME is `.` for a struct that is inlined in JSON, and TYPE is one of the letters below or
another message (of the same package if it has no dot), `[]` in front for a repeated field, `{}` for a map from
strings, and `?` behind for a scalar that JSON leaves out when it is zero. The Go name follows behind `/` if it is not NAME
with a capital.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubesim.apis.builtin import TABLE
from kubesim.apis.catalog import catalogue

SCALARS = {"string": "s", "int32": "i", "int64": "l", "bool": "b", "bytes": "y", "double": "d"}
SPECIAL = {
    "meta.v1.Time": "t",
    "meta.v1.MicroTime": "m",
    "meta.v1.Duration": "n",
    "resource.Quantity": "q",
    "intstr.IntOrString": "x",
    "runtime.RawExtension": "r",
    "meta.v1.FieldsV1": "r",
    "apiextensions.v1.JSON": "r",
}
LIST_OF_STRINGS = "w"  # a message that is a list of strings in Go and in JSON
META = "meta.v1"
# Served as subresources, or as bodies of requests, besides the resources of the scheme.
MORE = ("autoscaling/v1", "authentication.k8s.io/v1", "authorization.k8s.io/v1", "policy/v1")

COMMENT = re.compile(r"//.*|/\*(?s:.*?)\*/")
PACKAGE = re.compile(r"^package ([\w.]+);", re.M)
MESSAGE = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.M | re.S)
FIELD = re.compile(r"^\s*(?:(optional|repeated)\s+)?(map<string, [\w.]+>|[\w.]+)\s+(\w+)\s*=\s*(\d+);", re.M)
GROUP = re.compile(r'GroupName\s*=\s*"([^"]*)"')
STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.M | re.S)
GO_LIST = re.compile(r"^type (\w+) \[\]string$", re.M)
GO_FIELD = re.compile(r"^\s+(?:(\w+)\s+)?([\w.*\[\]]+)\s+`([^`]*)`", re.M)
TAG = re.compile(r'(json|protobuf):"([^"]*)"')


@dataclass(frozen=True)
class GoField:
    """A field of a Go struct: its name in JSON (`.` if it is inlined), its own, and whether JSON leaves a zero scalar
    out.
    """

    name: str
    own: str
    drops: bool


def short(package: str) -> str:
    """`core.v1` for `k8s.io.api.core.v1`."""
    for lead in ("k8s.io.api.", "k8s.io.apimachinery.pkg.apis.", "k8s.io.apimachinery.pkg.util.",
                 "k8s.io.apimachinery.pkg.api.", "k8s.io.apimachinery.pkg.",
                 "k8s.io.apiextensions_apiserver.pkg.apis.", "k8s.io.kube_aggregator.pkg.apis."):  # fmt: skip
        if package.startswith(lead):
            return package.removeprefix(lead)
    raise ValueError(package)


class Sources:
    """What has been read: messages with their fields, Go structs, and the group version of each package."""

    def __init__(self) -> None:
        self.messages: dict[str, list[tuple[int, str, str, bool, bool]]] = {}
        self.structs: dict[str, dict[int, GoField]] = {}
        self.kinds: dict[str, list[str]] = {}
        self.lists: set[str] = set()
        self.groups: dict[str, str] = {}

    def read(self, proto: Path) -> None:
        text = COMMENT.sub("", proto.read_text(encoding="utf-8"))
        package = short(PACKAGE.findall(text)[0])
        register = proto.with_name("register.go")
        if register.is_file() and (group := GROUP.search(register.read_text(encoding="utf-8"))):
            version = package.rsplit(".", 1)[1]
            self.groups[package] = f"{group[1]}/{version}" if group[1] else version
        for name, body in MESSAGE.findall(text):
            self.messages[f"{package}.{name}"] = [
                (int(number), field, *self._type(kind, package), label == "repeated")
                for label, kind, field, number in FIELD.findall(body)
            ]
        for go in sorted(proto.parent.glob("*.go")):
            if not go.name.endswith("_test.go") and not go.name.startswith(("generated", "zz_")):
                self._read_go(go.read_text(encoding="utf-8"), package)

    def _type(self, kind: str, package: str) -> tuple[str, bool]:
        """A type, and whether it is that of a map's values."""
        if kind.startswith("map<"):
            return self._type(kind[4:-1].split(", ")[1], package)[0], True
        if kind in SCALARS:
            return SCALARS[kind], False
        if "." in kind:
            home, _, name = kind.lstrip(".").rpartition(".")
            return f"{short(home)}.{name}", False
        return f"{package}.{kind}", False

    def _read_go(self, text: str, package: str) -> None:
        self.lists.update(f"{package}.{name}" for name in GO_LIST.findall(text))
        for name, body in STRUCT.findall(text):
            fields = self.structs.setdefault(f"{package}.{name}", {})
            for field, kind, written in GO_FIELD.findall(body):
                tags = dict(TAG.findall(written))
                if not field and kind.rsplit(".", 1)[-1] == "TypeMeta":
                    self.kinds.setdefault(package, []).append(name)
                if tags.get("protobuf", "-") == "-":
                    continue
                number = int(tags["protobuf"].split(",")[1])
                shown, *options = tags.get("json", "").split(",")
                if not field and not shown:
                    fields[number] = GoField(".", kind.rsplit(".", 1)[-1], drops=False)
                    continue
                fields[number] = GoField(
                    shown, field, drops="omitempty" in options and not kind.startswith("*")
                )

    def token(self, package: str, message: str, field: tuple[int, str, str, bool, bool]) -> str:
        number, name, kind, is_map, repeated = field
        go = self.structs.get(message, {}).get(number)
        if go is None:
            raise ValueError(f"no Go field for {message}.{name}")
        shown = go.name if go.name and go.name != "-" else name
        if kind in SPECIAL:
            letter = SPECIAL[kind]
        elif kind in self.lists:
            letter = LIST_OF_STRINGS
        else:
            letter = kind.removeprefix(f"{package}.") if kind.rpartition(".")[0] == package else kind
        lead = "{}" if is_map else "[]" if repeated else ""
        drops = go.drops and not lead and kind in SCALARS.values()
        own = "" if shown == "." or go.own == shown[0].upper() + shown[1:] else f"/{go.own}"
        return f"{number}={shown}:{lead}{letter}{'?' if drops else ''}{own}"

    def reached(self, roots: list[str]) -> Iterator[str]:
        """The messages that these reach, themselves included, without those that have a letter."""
        seen: set[str] = set()
        while roots:
            name = roots.pop()
            if name in seen or name in SPECIAL or name in self.lists or name in SCALARS.values():
                continue
            seen.add(name)
            yield name
            roots.extend(field[2] for field in self.messages[name])


def main() -> None:
    directory = Path(sys.argv[1])
    sources = Sources()
    for repository in ("api", "apimachinery", "apiextensions-apiserver", "kube-aggregator"):
        for proto in sorted((directory / repository).rglob("generated.proto")):
            if "testapigroup" not in proto.parts and not (
                "vendor" in proto.parts or "examples" in proto.parts or "meta/v1beta1" in str(proto)
            ):
                sources.read(proto)
    served = {row.group_version for row in TABLE} | {r.gvk.api_version for r in catalogue()} | set(MORE)
    kinds = {
        group_version: sorted(
            k for k in sources.kinds.get(package, ()) if f"{package}.{k}" in sources.messages
        )
        for package, group_version in sources.groups.items()
        if group_version in served or package == META
    }
    packages = {group_version: package for package, group_version in sources.groups.items()}
    roots = [f"{packages[gv]}.{kind}" for gv, names in kinds.items() for kind in names]
    messages = {}
    for name in sorted(sources.reached([*roots, f"{META}.WatchEvent"])):
        package = name.rpartition(".")[0]
        fields = sorted(sources.messages[name])
        messages[name] = " ".join(sources.token(package, name, field) for field in fields)
    json.dump(
        {
            "kinds": {packages[gv]: " ".join([gv, *names]) for gv, names in sorted(kinds.items())},
            "messages": messages,
        },
        sys.stdout,
        indent=0,
    )
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
