"""Extract from the Go sources of k8s.io/api and k8s.io/apimachinery what the published OpenAPI definitions
leave out.

    python tools/go_facts.py DIRECTORY > kubesim/apimachinery/schema/go_facts.json

The directory has the git repositories api, apimachinery, apiextensions-apiserver and kube-aggregator of
the organisation kubernetes, each with the tags v0.25.0 and later. The result has, for every API struct,
its fields in the order in which Go writes them, each with its Go type and its tag options; and, for every
string type marked `+enum`, its values with what their comments say of them. Kubernetes 1.32 is the base;
what another version has otherwise stands in `changes`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

BASE = 32
Struct = dict[str, str]

STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.M | re.S)
FIELD = re.compile(r"^\s+(?:(\w+)\s+)?([\w.*\[\]]+)\s+`([^`]*)`", re.M)
IMPORT = re.compile(r'^\s*(?:import\s+)?(\w+)?\s*"([\w./-]+)"\s*$', re.M)
JSON_TAG = re.compile(r'json:"([^"]*)"')
ENUM = re.compile(r"^// *\+enum\n(?:^//.*\n)*^type (\w+) string", re.M)
CONST = re.compile(r'((?:^[ \t]*//.*\n)*)^[ \t]*(\w+)(?:[ \t]+(\w+))?[ \t]*=[ \t]*"([^"]*)"', re.M)
ALIAS = re.compile(r"^type (\w+) = (\w+)\.(\w+)$", re.M)


def git(repo: str, *args: str) -> str:
    return subprocess.run(["git", "-C", repo, *args], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607


# Packages outside k8s.io/api that have API types: repository, package, files.
OTHERS = (
    ("apimachinery", "pkg/apis/meta/v1", ("types.go",)),
    ("apimachinery", "pkg/version", ("types.go",)),
    ("apiextensions-apiserver", "pkg/apis/apiextensions/v1", ("types.go", "types_jsonschema.go")),
    ("kube-aggregator", "pkg/apis/apiregistration/v1", ("types.go",)),
)


def sources(repos: dict[str, str], minor: int) -> Iterator[tuple[str, str, str]]:
    """(definition prefix, package, text) of each file with API types."""
    tag = f"v0.{minor}.0"
    for path in git(repos["api"], "ls-tree", "-r", "--name-only", tag).splitlines():
        parts = path.split("/")
        if len(parts) == 3 and parts[2].startswith("types") and not parts[2].endswith("_test.go"):
            swagger = "types_swagger" in parts[2]
            if not swagger:
                yield (
                    f"io.k8s.api.{parts[0]}.{parts[1]}",
                    parts[1],
                    git(repos["api"], "show", f"{tag}:{path}"),
                )
    for repo, folder, files in OTHERS:
        for file in files:
            prefix = f"io.k8s.{repo}." + folder.replace("/", ".")
            yield prefix, folder.rsplit("/", 1)[1], git(repos[repo], "show", f"{tag}:{folder}/{file}")


def qualified(text: str, package: str, imports: dict[str, str]) -> str:
    """A type as reflect prints it."""
    match = re.fullmatch(r"((?:\*|\[\]|map\[string\])*)(.*)", text)
    lead, name = match.groups() if match else ("", text)
    if "." in name:
        alias, _, name = name.partition(".")
        return f"{lead}{imports.get(alias, alias)}.{name}"
    return lead + (name if name[0].islower() else f"{package}.{name}")


def structs(repos: dict[str, str], minor: int) -> tuple[dict[str, Struct], dict[str, dict[str, str]]]:
    """Definition → field → `type|options`, and Go enum type → value → description."""
    raw: dict[str, list[tuple[str, str, str]]] = {}
    imported: dict[str, dict[str, str]] = {}
    enums: dict[str, dict[str, str]] = {}
    for prefix, package, text in sources(repos, minor):
        imports = {a or p.split("/")[-1]: p.split("/")[-1] for a, p in IMPORT.findall(text)}
        full = {
            a or p.split("/")[-1]: p.replace("k8s.io/", "io.k8s.", 1).replace("/", ".")
            for a, p in IMPORT.findall(text)
        }
        imported[prefix] = imported.get(prefix, {}) | full
        for name, alias, target in ALIAS.findall(text):
            raw[f"{prefix}.{name}"] = [(f"{alias}.{target}", target, "")]  # as if it were inlined
        for name, body in STRUCT.findall(text):
            fields = []
            for _, kind, tags in FIELD.findall(body):
                tag = JSON_TAG.search(tags)
                if tag is None:
                    continue
                fields.append((kind, qualified(kind, package, imports), tag[1]))
            raw[f"{prefix}.{name}"] = fields
        enum_types = set(ENUM.findall(text))
        last = ""
        for comment, name, kind, value in CONST.findall(text):
            last = kind or last
            if kind in enum_types:
                lines = [line.strip().removeprefix("//").strip() for line in comment.splitlines()]
                said = " ".join(line for line in lines if line and not line.startswith("+"))
                said = re.sub(r"\s+", " ", said.strip().removeprefix(name).strip())
                enums.setdefault(f"{prefix}.{kind}", {})[value] = said
    return {name: dict(flat(name, raw, imported)) for name in raw}, enums


def flat(
    name: str, raw: dict[str, list[tuple[str, str, str]]], imported: dict[str, dict[str, str]]
) -> Iterator[tuple[str, str]]:
    """The fields of a struct with those of its inlined structs in their place."""
    prefix = name.rsplit(".", 1)[0]
    for kind, shown, tag in raw.get(name, []):
        field, *options = tag.split(",")
        if field == "-":
            continue
        if not field:
            alias, _, inner = kind.rpartition(".")
            home = imported[prefix].get(alias, prefix) if alias else prefix
            yield from flat(f"{home}.{inner}", raw, imported)
            continue
        flags = "".join(o for o, word in (("o", "omitempty"), ("z", "omitzero")) if word in options)
        yield field, f"{shown}|{flags}" if flags else shown


def main() -> None:
    directory = Path(sys.argv[1])
    repos = {name: str(directory / name) for name in ("api", *(repo for repo, _, _ in OTHERS))}
    tags = re.findall(r"^v0\.(\d+)\.0$", git(repos["api"], "tag"), re.M)
    minors = sorted(int(t) for t in tags if int(t) >= 25)
    found = {m: structs(repos, m) for m in minors}
    merged: dict[str, Struct] = {}
    order = [BASE, *sorted((m for m in minors if m != BASE), key=lambda m: abs(m - BASE))]
    for minor in order:
        for name, fields in found[minor][0].items():
            merged[name] = interleaved(merged.get(name, {}), fields)
    changes: dict[str, dict[str, Struct]] = {}
    for minor in minors:
        for name, fields in found[minor][0].items():
            other = {f: t for f, t in fields.items() if merged[name][f] != t}
            if other:
                changes.setdefault(name, {})[str(minor)] = other
    enums: dict[str, dict[str, str]] = {}
    for minor in order:
        for name, values in found[minor][1].items():
            enums.setdefault(name, values)
    json.dump(
        {
            "source": "k8s.io/{api,apimachinery,apiextensions-apiserver,kube-aggregator}, "
            + ", ".join(f"v0.{m}.0" for m in minors),
            "structs": {
                n: " ".join(f"{f}:{t}" for f, t in fs.items()) for n, fs in sorted(merged.items()) if fs
            },
            "changes": {n: changes[n] for n in sorted(changes)},
            "enums": dict(sorted(enums.items())),
        },
        sys.stdout,
        indent=0,
        ensure_ascii=False,
    )
    sys.stdout.write("\n")


def interleaved(base: Struct, other: Struct) -> Struct:
    """`base` with the fields that only `other` has, each behind the field that it follows there."""
    names = list(base)
    before = ""
    for name in other:
        if name not in base:
            names.insert(names.index(before) + 1 if before else 0, name)
        before = name
    return {n: base.get(n) or other[n] for n in names}


if __name__ == "__main__":
    main()
