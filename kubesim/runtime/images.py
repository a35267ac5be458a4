"""The image catalogue: what an image contains, and which images cannot be pulled.

The facts are data (`images.yaml`; more files of the same form may be added). An image is resolved once, when a Pod needs
it; nothing is read before. An image that the catalogue does not name is `known=False` and runs as an HTTP echo.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from typing import Any

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

    @property
    def known(self) -> bool:
        return bool(self.key)

    @cached_property
    def digest(self) -> str:
        """A digest that is the same each time for the same name."""
        if self.reference.digest:
            return self.reference.digest
        return "sha256:" + hashlib.sha256(f"kubesim image {self.reference}".encode()).hexdigest()

    @property
    def image_id(self) -> str:
        """`docker.io/library/nginx@sha256:…`, as status.containerStatuses[].imageID."""
        return f"{self.reference.name}@{self.digest}"

    @cached_property
    def search_path(self) -> str:
        return self.env.get("PATH", DEFAULT_PATH)


_UNPULLABLE_TAG = "missing"
_UNREACHABLE_DOMAIN = ".invalid"


class Catalogue:
    """The images that can be had, by name."""

    def __init__(self, *documents: Mapping[str, Any]) -> None:
        """Later documents win over earlier ones, entry by entry."""
        self._sets: dict[str, str] = {}
        self._bases: dict[str, dict[str, Any]] = {}
        self._images: dict[str, dict[str, Any]] = {}
        self._unknown: dict[str, Any] = {}
        self._node: dict[str, Any] = {}
        for document in documents:
            self._sets |= document.get("command_sets") or {}
            self._bases |= document.get("bases") or {}
            self._images |= document.get("images") or {}
            self._unknown = document.get("unknown") or self._unknown
            self._node = document.get("node") or self._node
        self._by_name = {
            name: key for key, entry in self._images.items() for name in entry.get("names") or ()
        }
        self._resolved: dict[str, Image] = {}

    @classmethod
    def load(cls, *more: str) -> Catalogue:
        """The built-in catalogue, and further YAML texts of the same form. Raises ValueError for a bad text."""
        import yaml  # a tenth of this room's import time, for which only those pay who start a container

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        documents: list[Mapping[str, Any]] = []
        for text in (resources.files(__package__).joinpath("images.yaml").read_text("utf-8"), *more):
            try:
                document = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, the one in C where there is one
            except yaml.YAMLError as error:
                raise ValueError(f"image catalogue: {error}") from error
            if not isinstance(document, dict):
                raise ValueError("image catalogue: expected a mapping with the key images")  # noqa: TRY004
            documents.append(document)
        return cls(*documents)

    def image(self, image: str) -> Image:
        """What an image contains. Raises ImagePullError as `pull` does."""
        found = self._resolved.get(image)
        if found is None:
            reference = parse_reference(image)
            _refuse_unpullable(reference)
            found = self._resolved[image] = self._resolve(reference)
        return found

    def node(self) -> Image:
        """What a node's own file system contains."""
        found = self._resolved.get("")
        if found is None:
            entry = self._expand(self._node)
            found = self._resolved[""] = _build(Reference("node", "node", "latest"), "node", "", entry)
        return found

    def _resolve(self, reference: Reference) -> Image:
        key = self._by_name.get(reference.name, "")
        entry = self._expand(self._images[key] if key else self._unknown)
        version = _version(reference.tag, [str(v) for v in entry.get("versions") or ()])
        for variant in entry.get("variants") or ():
            if re.search(variant["tag"], reference.tag):
                entry = self._expand({**entry, **variant, "variants": None, "_expanded": None})
                break
        return _build(reference, key, version, entry)

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

    def _base(self, name: str) -> dict[str, Any]:
        own = self._bases[name]
        return _overlay(self._base(own["from"]), own) if own.get("from") else own


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


def _refuse_unpullable(reference: Reference) -> None:
    # The texts are containerd's, core/remotes/docker/resolver.go.
    host = reference.domain.partition(":")[0]
    failed = f'failed to pull and unpack image "{reference}": failed to resolve reference "{reference}"'
    if host.endswith(_UNREACHABLE_DOMAIN):
        tag = reference.digest or reference.tag
        head = f'failed to do request: Head "https://{reference.domain}/v2/{reference.path}/manifests/{tag}"'
        raise ImagePullError(f"{failed}: {head}: dial tcp: lookup {host}: no such host")
    if reference.tag == _UNPULLABLE_TAG:
        raise ImagePullError(f"{failed}: {reference}: not found", code="NotFound")
