"""The form in which users describe images of their own (docs/images.md), and reading it.

It is the form of `images.yaml`, entry by entry, with `runs`: what the image's program does. An entry that is wrong is told
with the place of each mistake, and does not stop the others. Importing this imports pydantic: only who has such a document
comes here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from kubesim.runtime.commands import table
from kubesim.runtime.images import (
    PROGRAM,
    Addition,
    Document,
    ImagePullError,
    Problem,
    parse_reference,
    read_commands,
)
from kubesim.runtime.machine import SIGNALS
from kubesim.util.durations import parse_duration
from kubesim.util.yamlfmt import YAMLSyntaxError, load_documents

MOST: Final = 1024 * 1024
"""Bytes of a document: as many as fit into a ConfigMap."""
LONGEST: Final = 366 * 24 * 3600.0
"""Seconds of any wait."""


def _wrong(text: str) -> PydanticCustomError:
    return PydanticCustomError("wanted", "{wanted}", {"wanted": text})


def _seconds(value: object) -> object:
    """A number of seconds, or a duration as Go writes it."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _wrong("want seconds, such as 2.5, or a duration, such as 1m30s")
    try:
        found = parse_duration(value).total_seconds() if isinstance(value, str) else float(value)
    except ValueError:
        raise _wrong("want seconds, such as 2.5, or a duration, such as 1m30s") from None
    if not 0 <= found <= LONGEST:
        raise _wrong("want a time from 0 to a year")
    return found


def _lines(value: object) -> object:
    return value.splitlines() if isinstance(value, str) else value


def _matches(pattern: str, wanted: str, flags: int = re.ASCII) -> AfterValidator:
    compiled = re.compile(pattern, flags)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise _wrong(f"want {wanted}")
        return value

    return AfterValidator(check)


def _regular_expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise _wrong(f"want a regular expression: {error}") from None
    return value


def _programs(value: str) -> str:
    for program in read_commands(value, ""):
        if table.find(program) is None:
            raise _wrong(f'there is no simulated program "{program}"')
    return value


def _image_name(value: str) -> str:
    """A full name without a tag."""
    try:
        found = parse_reference(value)
    except ImagePullError:
        raise _wrong("want the name of an image, such as registry.example.com/shop") from None
    if value.rpartition("/")[2].partition("@")[0].find(":") >= 0 or found.digest:
        raise _wrong("want the name without a tag: it stands for all of them, and variants tell them apart")
    return found.name


def _signal(value: str) -> str:
    name = value.removeprefix("SIG")
    if name not in SIGNALS and not (name.isdigit() and 0 < int(name) < 65):
        raise _wrong("want a signal, such as SIGTERM")
    return value


def _header_values(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or re.search(r"[\r\n\0]", text):
            raise _wrong(f"{name!r} is no header that HTTP has")
        if name.lower() in ("content-length", "transfer-encoding", "connection"):
            raise _wrong(f"{name} follows from the body")
    return value


def _file(value: object) -> object:
    return {"text": value} if isinstance(value, str) else value


def _octal(value: object) -> object:
    return f"{value:o}" if isinstance(value, int) and not isinstance(value, bool) else value


Seconds = Annotated[float, BeforeValidator(_seconds)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Path = Annotated[str, _matches(r"/[^\0]*", "a path from the root, such as /srv/app")]
Name = Annotated[
    str, _matches(r"[a-z0-9]([-._a-z0-9]{0,61}[a-z0-9])?", "lower-case letters, digits, -, . and _")
]
Programs = Annotated[str, AfterValidator(_programs)]
Variable = Annotated[str, _matches(r"[^=\0]+", "the name of a variable")]


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Route(_Model):
    """An answer of an HTTP server."""

    path: Annotated[
        str, _matches(r"/[^\0 ?#]*", "a path, such as /healthz, or the beginning of paths, such as /shop/*")
    ]
    method: Annotated[str, _matches(r"[A-Z]+", "a method in capitals, such as GET")] | None = None
    status: Annotated[int, Field(ge=200, le=599)] = 200
    headers: Annotated[dict[str, str], AfterValidator(_header_values)] = {}
    body: str = ""
    delay: Seconds = 0.0


class Listen(_Model):
    """A port that the program listens on, and how it answers there."""

    port: PortNumber
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    address: Annotated[str, _matches(r"[0-9a-fA-F.:]+|localhost", "an address, such as 127.0.0.1")] | None = (
        None
    )
    http: Annotated[list[Route], Field(max_length=1000)] | None = None
    echo: Literal[True] | None = None
    answer: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Listen:
        given = [n for n in ("http", "echo", "answer") if getattr(self, n) is not None]
        if len(given) > 1:
            raise _wrong(f"want one of http, echo and answer, not {' and '.join(given)}")
        if self.http is not None and self.protocol != "TCP":
            raise _wrong(f"HTTP is spoken over TCP, not over {self.protocol}")
        return self


class Exit(_Model):
    """How the program ends by itself."""

    code: Annotated[int, Field(ge=0, le=255)] = 0
    after: Seconds = 0.0


class Runs(_Model):
    """What the program of an image does."""

    log: Annotated[list[str], BeforeValidator(_lines)] = []
    ready_after: Seconds = 0.0
    listens: Annotated[list[Listen], Field(max_length=100)] = []
    exits: Exit | None = None

    @model_validator(mode="after")
    def _ports_once(self) -> Runs:
        seen: set[tuple[int, str, str]] = set()
        for at, listen in enumerate(self.listens):
            key = (listen.port, listen.protocol, listen.address or "")
            if key in seen:
                raise _wrong(f"listens[{at}] has the port {listen.port}/{listen.protocol} a second time")
            seen.add(key)
        return self


class File(_Model):
    """A file of an image."""

    text: str = ""
    mode: Annotated[
        str, BeforeValidator(_octal), _matches(r"0?[0-7]{3,4}", "a mode in octal, such as 0755")
    ] = "0644"
    link: str = ""
    uid: Annotated[int, Field(ge=0)] = 0
    gid: Annotated[int, Field(ge=0)] = 0


Files = dict[Path, Annotated[File | None, BeforeValidator(_file)]]


class Parts(_Model):
    """What an entry and a variant of it have in common."""

    base: str | None = None
    size: Annotated[int, Field(ge=0)] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    env: dict[Variable, str] | None = None
    path: str | None = None
    user: str | None = None
    workdir: Path | None = None
    ports: list[Annotated[str, _matches(r"\d{1,5}/(tcp|udp|sctp)", "a port such as 80/tcp")]] | None = None
    stop_signal: Annotated[str, AfterValidator(_signal)] | None = None
    shells: dict[str, Literal["dash", "bash", "busybox"]] | None = None
    commands: Programs | None = None
    drop_commands: str | None = None
    packages: list[str] | None = None
    directories: list[Path] | None = None
    files: Files | None = None
    passwd: Annotated[str, _matches(r"[^:\n]+:[^:\n]*:\d+:\d+:[^\n]*", "a line of /etc/passwd")] | None = None
    runs: Runs | None = None


class Variant(Parts):
    """What is different where the image's tag matches."""

    tag: Annotated[str, AfterValidator(_regular_expression)]


class Entry(Parts):
    """An image."""

    names: list[Annotated[str, AfterValidator(_image_name)]] | None = None
    versions: list[str] | None = None
    like: str | None = None
    variants: list[Variant] | None = None

    @model_validator(mode="after")
    def _does_something(self) -> Entry:
        if not (self.like or self.runs or self.entrypoint or self.cmd):
            raise _wrong("want what it does: one of runs, like, entrypoint and cmd")
        return self


@lru_cache(maxsize=32)
def read(document: Document) -> Addition:
    """What a document says. Mistakes are its problems."""
    source = document.source
    if document.problem:
        return Addition(source, problems=(Problem(source, f"{source}: {document.problem}"),))
    if len(document.text.encode("utf-8", "surrogatepass")) > MOST:
        return Addition(source, problems=(Problem(source, f"{source}: want at most {MOST} bytes"),))
    try:
        values = [d.value for d in load_documents(document.text.encode())]
    except (YAMLSyntaxError, UnicodeError) as error:
        text = str(error).removeprefix("error converting YAML to JSON: ")
        return Addition(source, problems=(Problem(source, f"{source}: {text}"),))
    images: dict[str, Mapping[str, Any]] = {}
    problems: list[Problem] = []
    for count, value in enumerate(values, 1):
        place = f"{source}: document {count}: " if len(values) > 1 else f"{source}: "
        if value is not None:
            problems += _read_one(source, place, value, images)
    return Addition(source, images, f"{source}: ", tuple(problems))


def _read_one(source: str, place: str, value: Any, images: dict[str, Mapping[str, Any]]) -> Iterator[Problem]:
    if not isinstance(value, dict) or not isinstance(value.get("images"), dict):
        yield Problem(source, f"{place}images: want a mapping from names of your own to images")
        return
    for key in value:
        if key != "images":
            yield Problem(source, f"{place}{key}: there is no such field; want images")
    taken = {name: key for key, entry in images.items() for name in entry["names"]}
    for key, given in value["images"].items():
        try:
            entry = _entry(str(key), given, images, taken)
        except ValidationError as error:
            names = tuple(_names_of(str(key), given))
            for detail in error.errors(include_url=False, include_input=False):
                yield Problem(source, f"{place}images.{key}{_where(detail)}: {_what(detail)}", names)
        except ValueError as error:
            yield Problem(source, f"{place}images.{key}{error}", tuple(_names_of(str(key), given)))
        else:
            images[str(key)] = entry
            taken |= dict.fromkeys(entry["names"], str(key))


_KEY: Final = re.compile(r"[a-z0-9]([-._a-z0-9]{0,61}[a-z0-9])?")


def _entry(key: str, given: Any, images: Mapping[str, Any], taken: Mapping[str, str]) -> Mapping[str, Any]:
    """An entry in the form of images.yaml. Raises ValidationError, or ValueError with field and text."""
    if not _KEY.fullmatch(key):
        raise ValueError(": want a name of lower-case letters, digits, -, . and _")
    if key in images:
        raise ValueError(": another document has an image of this name")
    found = Entry.model_validate(given).model_dump(exclude_unset=True)
    try:
        names = found["names"] = found.get("names") or [_image_name(key)]
    except ValueError as error:
        raise ValueError(f".names: {error}") from None
    for at, name in enumerate(names):
        if name in taken:
            raise ValueError(f".names[{at}]: images.{taken[name]} has it, too")
    if not found.get("like") and not found.get("base"):  # as an image that nobody knows
        found |= {"base": "alpine", "commands": f"/usr/bin/ curl {found.get('commands') or ''}"}
    if found.get("runs"):
        _give_program(key, found)
    for variant in found.get("variants") or ():
        if variant.get("runs"):
            _give_program(key, variant)
        elif found.get("runs") and variant.get("commands"):  # they take the place of the entry's
            variant["commands"] += _program(key, variant if variant.get("entrypoint") else found)
    return found


def _give_program(key: str, found: dict[str, Any]) -> None:
    """Put the program where it is started from."""
    found["runs"] = Runs.model_validate(found["runs"]).model_dump()
    if not found.get("entrypoint"):
        found["entrypoint"] = [] if found.get("cmd") else [f"/{key}"]
    found.setdefault("cmd", [])
    found["commands"] = (found.get("commands") or "") + _program(key, found)
    found.setdefault("ports", [f"{x['port']}/{x['protocol'].lower()}" for x in found["runs"]["listens"]])


def _program(key: str, found: Mapping[str, Any]) -> str:
    """The words of `commands` for the program that does what `runs` says."""
    folder, slash, name = [*(found.get("entrypoint") or ()), *(found.get("cmd") or ()), f"/{key}"][
        0
    ].rpartition("/")
    return f" {folder + slash if slash else '/usr/local/bin/'} {name}={PROGRAM}"


def _names_of(key: str, given: Any) -> Iterator[str]:
    """The images that a wrong entry is about, as far as it can be known."""
    names = given.get("names") if isinstance(given, dict) else None
    for name in names if isinstance(names, list) and names else [key]:
        try:
            yield _image_name(str(name))
        except ValueError:
            continue


def _where(detail: ErrorDetails) -> str:
    """`.runs.listens[0].port`"""
    parts = [p for p in detail["loc"] if p != "[key]"]
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts)


_WANTED: Final[Mapping[str, str]] = {
    "string_type": "want a text; numbers, true and false are texts in quotes",
    "int_type": "want a whole number, without quotes",
    "float_type": "want a number, without quotes",
    "list_type": "want a list",
    "dict_type": "want a mapping",
    "model_type": "want a mapping",
    "missing": "is missing",
    "extra_forbidden": "there is no such field",
}


def _what(detail: ErrorDetails) -> str:
    context = detail.get("ctx") or {}
    match detail["type"]:
        case "greater_than_equal":
            return f"want at least {context['ge']}"
        case "less_than_equal":
            return f"want at most {context['le']}"
        case "too_long":
            return f"want at most {context['max_length']} of them"
        case "literal_error":
            return f"want {context['expected']}"
        case kind:
            return _WANTED.get(kind, detail["msg"])
