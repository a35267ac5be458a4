"""The image catalogue: what an image contains, and which images cannot be pulled.

The facts are data (`images.yaml`). An image is resolved once, when a Pod needs it; nothing is read before. An image that the
catalogue does not name is `known=False` and runs as an HTTP echo. Users' documents (`Document`) are read by
`runtime.imageform`, and laid over the built-in catalogue (`Catalogue.extended`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from itertools import chain, islice
from typing import Any

from kubesim.util import boundedre

PROGRAM = "described"
"""The simulated program that does what an image's `runs` says."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# github.com/distribution/reference: the grammar of an image's name.
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}")
_DOMAIN = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9-]+)*(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?"
)


class ImagePullError(Exception):
    """An image could not be had. `str()` is what the kubelet gets from the runtime."""

    def __init__(self, text: str, reason: str = "ErrImagePull", *, code: str = "Unknown") -> None:
        # The kubelet's CRI client cuts the code off where it is Unknown (pkg/kubelet/cri/remote/remote_image.go).
        super().__init__(text if code == "Unknown" else f"rpc error: code = {code} desc = {text}")
        self.text = text
        """containerd's own text."""
        self.reason = reason
        """The waiting reason: ErrImagePull or InvalidImageName."""
        self.code = code


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's full name: `docker.io/library/nginx:latest`."""

    domain: str
    path: str
    tag: str
    digest: str = ""

    @property
    def name(self) -> str:
        return f"{self.domain}/{self.path}"

    def __str__(self) -> str:
        if self.digest:
            return f"{self.name}@{self.digest}"
        return f"{self.name}:{self.tag}"


def parse_reference(image: str) -> Reference:
    """Read a name as Docker and containerd do. Raises ImagePullError with reason InvalidImageName."""
    rest, _, digest = image.partition("@")
    first, slash, tail = rest.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first.lower() != first):
        domain, remainder = first, tail
    else:
        domain, remainder = "docker.io", rest
    if domain == "index.docker.io":
        domain = "docker.io"
    path, colon, tag = remainder.partition(":")
    if domain == "docker.io" and "/" not in path:
        path = f"library/{path}"
    problem = ""
    if path != path.lower() and _NAME.fullmatch(path.lower()):
        problem = f"repository name ({path}) must be lowercase"
    bad = not _NAME.fullmatch(path) or not _DOMAIN.fullmatch(domain)
    bad = bad or bool(colon and not _TAG.fullmatch(tag)) or bool(digest and not _DIGEST.fullmatch(digest))
    if bad or ("@" in image and not digest):
        text = "invalid reference format" + (f": {problem}" if problem else "")
        # pkg/util/parsers/parsers.go and pkg/kubelet/images/image_manager.go
        message = f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": {text}'
        raise ImagePullError(message, "InvalidImageName")
    return Reference(domain, path, tag or ("" if digest else "latest"), digest)


def normalise(image: str) -> str:
    """The full name: `nginx` is `docker.io/library/nginx:latest`."""
    return str(parse_reference(image))


@dataclass(frozen=True, slots=True)
class Document:
    """A text with images of a user's own, and where it is from."""

    source: str
    text: str
    problem: str = ""
    """Why there is no text."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a document: the text begins with its source. Without `names` it concerns all of it."""

    source: str
    text: str
    names: tuple[str, ...] = ()
    """The images, by full name without a tag, that cannot be had because of it."""


@dataclass(frozen=True, slots=True)
class Addition:
    """What a document says, validated: entries in the form of `images.yaml`, their names full."""

    source: str
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    place: str = ""
    """What stands before `images` in messages: `my.yaml: `."""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file of an image: its text, or where it links to."""

    text: str = ""
    mode: int = 0o644
    link: str = ""
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Image:
    """What an image contains."""

    reference: Reference
    key: str
    """The catalogue's entry; empty for an image that is not in it."""
    version: str
    os: str
    os_version: str
    size: int
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: Mapping[str, str]
    user: str
    workdir: str
    ports: tuple[str, ...]
    stop_signal: str
    shells: Mapping[str, str]
    """Shells by command name; the value is the flavour: dash, bash or busybox."""
    commands: Mapping[str, str]
    """Simulated programs: the absolute path by the program's name."""
    packages: tuple[str, ...]
    directories: tuple[str, ...] = ()
    files: Mapping[str, ImageFile] = field(default_factory=dict)
    runs: Mapping[str, Any] | None = None
    """What its program does, for an image that is described by that (`commands.described`)."""
    own: str = ""
    """Of a user's image a digest of all that is said of it; empty for those of the built-in catalogue."""

    @property
    def known(self) -> bool:
        return bool(self.key)

    @cached_property
    def digest(self) -> str:
        """A digest that is the same each time for the same name."""
        if self.reference.digest:
            return self.reference.digest
        return "sha256:" + hashlib.sha256(f"kubesim image {self.reference}{self.own}".encode()).hexdigest()

    @property
    def image_id(self) -> str:
        """`docker.io/library/nginx@sha256:…`, as status.containerStatuses[].imageID."""
        return f"{self.reference.name}@{self.digest}"

    @cached_property
    def search_path(self) -> str:
        return self.env.get("PATH", DEFAULT_PATH)


_UNPULLABLE_TAG = "missing"
_UNREACHABLE_DOMAIN = ".invalid"


TOLD = 10
"""So many mistakes of a document are told; who mends them sees the others."""
_COMPARED = 200  # names that a misspelt one is compared with
_LONGEST = 16  # images that are like each other, one by way of the other
_SHOWN = 500


def told(problems: Iterable[Problem]) -> list[Problem]:
    """The first problems of each source, and how many there are besides."""
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        found.setdefault(problem.source, []).append(problem)
    shown: list[Problem] = []
    for source, those in found.items():
        shown += those[:TOLD]
        if len(those) > TOLD:
            shown.append(Problem(source, f"{source}: and {len(those) - TOLD} more mistakes"))
    return shown


class Catalogue:
    """The images that can be had, by name."""

    def __init__(self, document: Mapping[str, Any], additions: Iterable[Addition] = ()) -> None:
        """Later additions win over earlier ones and over the document, name by name."""
        self._document = document
        self._sets: dict[str, str] = document["command_sets"]
        self._bases: dict[str, Mapping[str, Any]] = dict(document["bases"])
        self._images: dict[str, dict[str, Any]] = document["images"]
        self._unknown: dict[str, Any] = document["unknown"]
        self._node: dict[str, Any] = document["node"]
        self._by_name = {
            name: key for key, entry in self._images.items() for name in entry.get("names") or ()
        }
        self._own: dict[str, Mapping[str, Any]] = {}  # users' entries by key
        self._of_users: dict[str, tuple[str, Mapping[str, Any]]] = {}  # the same by the names of images
        self._broken: dict[str, str] = {}
        self.problems: tuple[Problem, ...] = ()
        """What is wrong with the additions."""
        for addition in additions:
            self._add(addition)
        self._resolved: dict[str, Image] = {}

    @classmethod
    def load(cls) -> Catalogue:
        """The built-in catalogue."""
        import yaml  # a tenth of this room's import time, for which only those pay who start a container

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        text = resources.files(__package__).joinpath("images.yaml").read_text("utf-8")
        return cls(yaml.load(text, Loader=loader))  # noqa: S506 - a safe loader, the one in C where there is one

    def extended(self, documents: Iterable[Document]) -> Catalogue:
        """The built-in catalogue of this one, with users' documents laid over it, the later ones over the earlier
        ones. What is wrong with them is told by `problems`, and by images that cannot be pulled.
        """
        from kubesim.runtime.imageform import read  # pydantic, for those alone who have images of their own

        return Catalogue(self._document, [read(document) for document in documents])

    def image(self, image: str) -> Image:
        """What an image contains. Raises ImagePullError as `pull` does."""
        found = self._resolved.get(image)
        if found is None:
            reference = parse_reference(image)
            _refuse_unpullable(reference)
            if reference.name in self._broken:
                raise ImagePullError(f"{_failed(reference)}: {self._broken[reference.name]}")
            found = self._resolved[image] = self._resolve(reference)
        return found

    def _add(self, addition: Addition) -> None:
        problems = list(addition.problems)
        flat: dict[str, Mapping[str, Any]] = {}
        for key, entry in addition.images.items():
            try:
                flat[key] = self._flatten(key, addition.images, ())
            except _Wrong as wrong:
                hint = wrong.hint if len(problems) < TOLD else ""
                text = f"{addition.place}images.{key}.{wrong}{hint}"
                problems.append(Problem(addition.source, text, tuple(entry["names"])))
        self._own |= flat
        for key, entry in flat.items():
            for name in entry["names"]:
                self._of_users[name] = key, entry
                self._broken.pop(name, None)
        broken: dict[str, list[str]] = {}
        for problem in problems:
            for name in problem.names:
                broken.setdefault(name, []).append(problem.text)
        self._broken |= {name: "; ".join(texts[:TOLD]) for name, texts in broken.items()}
        self.problems += tuple(problems)

    def _flatten(
        self, key: str, entries: Mapping[str, Mapping[str, Any]], trail: tuple[str, ...]
    ) -> Mapping[str, Any]:
        """A user's entry laid over the one that it is like: of the same document, of an earlier one, or built in."""
        entry = entries[key]
        like, base = entry.get("like"), entry.get("base")
        if base is not None and base not in self._bases:
            raise _Wrong("base", f'there is no base "{base}"', base, self._bases)
        if not like:
            return {"kind": key, **entry}
        if like in entries and like != key:
            if len(trail) > _LONGEST:
                raise _Wrong("like", f"more than {_LONGEST} images that are like each other")
            if like in trail:
                raise _Wrong("like", f"it is like itself, by way of {' and '.join(trail)}")
            try:
                below = self._flatten(like, entries, (*trail, key))
            except _Wrong as wrong:
                raise _Wrong("like", f"{like} is wrong: {str(wrong)[:_SHOWN]}") from None
        elif like in self._own:
            below = self._own[like]
        elif like in self._images:
            below = self._built_in(like)
        else:
            others = (name for name in chain(self._images, entries, self._own) if name != key)
            raise _Wrong("like", f'there is no image "{like}"', like, others)
        merged = _overlay(below, entry)
        merged.pop("like", None)
        return merged | {"variants": entry.get("variants")}

    def _built_in(self, key: str) -> Mapping[str, Any]:
        entry = self._images[key]
        flat = _overlay(self._built_in(entry["like"]), entry) if entry.get("like") else entry
        return {**flat, "kind": key}

    def doubts(self, image: str) -> tuple[str, ...]:
        """Why it is not sure that nobody describes an image: documents that cannot be read, where the image is one that
        the others do not know.
        """
        if not any(not problem.names for problem in self.problems) or self.image(image).known:
            return ()
        return tuple(problem.text for problem in self.problems if not problem.names)

    def node(self) -> Image:
        """What a node's own file system contains."""
        found = self._resolved.get("")
        if found is None:
            entry = self._expand(self._node)
            found = self._resolved[""] = _build(Reference("node", "node", "latest"), "node", "", entry)
        return found

    def _resolve(self, reference: Reference) -> Image:
        key, own = self._of_users.get(reference.name, ("", None))
        if own is None:
            key = self._by_name.get(reference.name, "")
        entry = self._expand(own or (self._images[key] if key else self._unknown))
        version = _version(reference.tag, [str(v) for v in entry.get("versions") or ()])
        for variant in entry.get("variants") or ():
            if boundedre.search(variant["tag"], reference.tag):
                entry = self._expand({**entry, **variant, "variants": None, "_expanded": None})
                break
        if own is None:
            return _build(reference, key, version, entry)
        said = hashlib.sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()
        return replace(_build(reference, own["kind"], version, entry), runs=entry.get("runs"), own=said)

    def _expand(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Lay an entry over the one it is like, and over its base."""
        merged: dict[str, Any] = {}
        like = entry.get("like")
        if like:
            merged = _overlay(self._images[like], entry)
            merged["variants"] = None
            merged.pop("like", None)
        else:
            merged = dict(entry)
        base = self._base(str(merged.get("base") or "scratch"))
        sets = " ".join(self._sets[name] for name in base.get("sets") or ())
        merged["_base"] = base
        merged["_commands"] = f"{sets} {base.get('commands') or ''} {merged.get('commands') or ''}"
        return merged

    def _base(self, name: str) -> Mapping[str, Any]:
        own = self._bases[name]
        return _overlay(self._base(own["from"]), own) if own.get("from") else own


class _Wrong(Exception):
    """What is wrong with a field of an entry; with a value, what it may have been meant to be."""

    def __init__(self, field: str, text: str, value: str = "", allowed: Iterable[str] = ()) -> None:
        super().__init__(f"{field}: {text}")
        self._value = value
        self._allowed = allowed

    @property
    def hint(self) -> str:
        from difflib import get_close_matches

        near = get_close_matches(self._value, islice(self._allowed, _COMPARED), n=1, cutoff=0.7)
        return f'; did you mean "{near[0]}"?' if near else ""


def _overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for key in ("files", "env"):
        merged[key] = {**(below.get(key) or {}), **(above.get(key) or {})}
    for key in ("directories", "packages"):
        merged[key] = [*(below.get(key) or ()), *(above.get(key) or ())]
    merged["commands"] = f"{below.get('commands') or ''} {above.get('commands') or ''}"
    return merged


def _version(tag: str, known: list[str]) -> str:
    match = re.match(r"v?(\d+(?:\.\d+)*)", tag)
    if match is None:
        return known[0] if known else ""
    wanted = match.group(1)
    for version in known:
        number = version.lstrip("v")
        if number == wanted or number.startswith(wanted + "."):
            return version
    return wanted


def read_commands(text: str, dropped: str) -> dict[str, str]:
    """The programs that a catalogue's list names, with their paths."""
    found: dict[str, str] = {}
    directory = "/usr/bin/"
    for word in text.split():
        if word.endswith("/"):
            directory = word
        else:
            file, _, program = word.partition("=")
            found[program or file] = directory + file
    for word in dropped.split():
        found.pop(word, None)
    return found


def _files(entry: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, ImageFile]:
    found: dict[str, ImageFile] = {}
    for path, value in {**(base.get("files") or {}), **(entry.get("files") or {})}.items():
        if value is None:
            continue
        if isinstance(value, str):
            found[path] = ImageFile(value)
        else:
            mode = int(str(value.get("mode", "0644")), 8)
            owner = int(value.get("uid", 0))
            found[path] = ImageFile(
                value.get("text", ""), mode, value.get("link", ""), owner, int(value.get("gid", owner))
            )
    extra = entry.get("passwd")
    if extra and "/etc/passwd" in found:
        user, _, _, gid, *_ = extra.split(":")
        found["/etc/passwd"] = ImageFile(found["/etc/passwd"].text + extra + "\n")
        group = found.get("/etc/group", ImageFile()).text
        found["/etc/group"] = ImageFile(f"{group}{user}:x:{gid}:\n")
    return found


def _build(reference: Reference, key: str, version: str, entry: Mapping[str, Any]) -> Image:
    base = entry["_base"]
    env = {"PATH": str(entry.get("path") or base.get("path") or DEFAULT_PATH)}
    env |= {k: str(v).replace("{version}", version) for k, v in (entry.get("env") or {}).items()}
    return Image(
        reference=reference,
        key=key,
        version=version,
        os=str(base.get("os") or ""),
        os_version=str(base.get("version") or ""),
        size=int(entry.get("size") or 0),
        entrypoint=tuple(entry.get("entrypoint") or ()),
        cmd=tuple(entry.get("cmd") or ()),
        env=env,
        user=str(entry.get("user") or ""),
        workdir=str(entry.get("workdir") or "/"),
        ports=tuple(str(p) for p in entry.get("ports") or ()),
        stop_signal=str(entry.get("stop_signal") or "SIGTERM"),
        shells=dict(entry.get("shells") or base.get("shells") or {}),
        commands=read_commands(entry["_commands"], str(entry.get("drop_commands") or "")),
        packages=tuple(dict.fromkeys((*(base.get("packages") or ()), *(entry.get("packages") or ())))),
        directories=tuple(
            dict.fromkeys((*(base.get("directories") or ()), *(entry.get("directories") or ())))
        ),
        files=_files(entry, base),
    )


def _failed(reference: Reference) -> str:
    return f'failed to pull and unpack image "{reference}"'


def _refuse_unpullable(reference: Reference) -> None:
    # The texts are containerd's, core/remotes/docker/resolver.go.
    host = reference.domain.partition(":")[0]
    failed = f'{_failed(reference)}: failed to resolve reference "{reference}"'
    if host.endswith(_UNREACHABLE_DOMAIN):
        tag = reference.digest or reference.tag
        head = f'failed to do request: Head "https://{reference.domain}/v2/{reference.path}/manifests/{tag}"'
        raise ImagePullError(f"{failed}: {head}: dial tcp: lookup {host}: no such host")
    if reference.tag == _UNPULLABLE_TAG:
        raise ImagePullError(f"{failed}: {reference}: not found", code="NotFound")
