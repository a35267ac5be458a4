"""Reading a command line as getopt(3) does, with the complaints of GNU's programs and of busybox."""

from __future__ import annotations

from collections.abc import Mapping

from kubesim.runtime.commands.usage import GNU_WGET, PING, busybox_usage
from kubesim.runtime.process import Process


class UsageError(Exception):
    """A command line that cannot be read; `text` is complete, without the program's name."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class Options:
    """What was given: short names map long ones; a repeated option keeps all its values."""

    def __init__(self) -> None:
        self.values: dict[str, list[str]] = {}
        self.args: list[str] = []

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str, default: str = "") -> str:
        """The last value."""
        found = self.values.get(name)
        return found[-1] if found else default

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def count(self, name: str) -> int:
        return len(self.values.get(name, ()))

    def add(self, name: str, value: str = "") -> None:
        self.values.setdefault(name, []).append(value)


def parse(
    process: Process,
    short: str,
    long: Mapping[str, str] | None = None,
    *,
    stop: bool = False,
    code: int = 1,
    words: list[str] | None = None,
) -> Options:
    """Read `process.args`, or `words` in their place. `short` is getopt's;
    `long` maps a long name (with `=` where it takes a value) to a short one.

    With `stop` the first word that is no option ends them. Raises UsageError.
    """
    found = Options()
    names = long or {}
    words = list(process.args if words is None else words)
    while words:
        word = words.pop(0)
        if word == "--":
            found.args += words
            break
        if word.startswith("--"):
            _long(process, found, names, word, words, code)
        elif word.startswith("-") and len(word) > 1:
            _short(process, found, short, word, words, code)
        else:
            found.args.append(word)
            if stop:
                found.args += words
                break
    return found


def _long(
    process: Process, found: Options, names: Mapping[str, str], word: str, words: list[str], code: int
) -> None:
    name, equals, value = word[2:].partition("=")
    candidates = [n for n in names if n.rstrip("=") == name] or [n for n in names if n.startswith(name)]
    if not candidates:
        raise unknown(process, word, code=code)
    target = candidates[0]
    if target.endswith("="):
        if not equals:
            if not words:
                raise UsageError(f"option '--{name}' requires an argument", code)
            value = words.pop(0)
        found.add(names[target], value)
    else:
        found.add(names[target], value)


def _short(process: Process, found: Options, short: str, word: str, words: list[str], code: int) -> None:
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        at = short.find(letter)
        if at < 0 or letter == ":":
            raise unknown(process, letter, code=code)
        if short[at + 1 : at + 2] == ":":
            if not letters:
                if not words:
                    raise needs_value(process, letter, code=code)
                letters = words.pop(0)
            found.add(letter, letters)
            return
        found.add(letter)


def unknown(process: Process, option: str, *, code: int = 1) -> UsageError:
    """An option that the program does not have."""
    lead = f"unrecognized option '{option}'" if option.startswith("--") else f"invalid option -- '{option}'"
    if process.machine.flavour == "busybox":
        # The C library reads options, and musl's says it in words of its own.
        if process.machine.image.os == "alpine":
            lead = f"unrecognized option: {option.lstrip('-')}"
        return UsageError(f"{lead}\n{busybox_usage(process)}", 1)
    return UsageError(f"{lead}\n{_hint(process)}", code)


def needs_value(process: Process, option: str, *, code: int = 1) -> UsageError:
    """An option without its value."""
    if process.machine.flavour == "busybox":
        lead = "option requires an argument"
        lead += f": {option}" if process.machine.image.os == "alpine" else f" -- '{option}'"
        return UsageError(f"{lead}\n{busybox_usage(process)}", 1)
    return UsageError(f"option requires an argument -- '{option}'\n{_hint(process)}", code)


def _hint(process: Process) -> str:
    """Where to read more; some programs show their usage instead."""
    if process.name == "wget":
        return GNU_WGET
    if process.name in ("ping", "ping6"):
        return PING
    return f"Try '{process.name} --help' for more information."


def missing_operand(process: Process, *, code: int = 1) -> int:
    """Say that there is nothing to work on."""
    if process.machine.flavour == "busybox":
        process.error(busybox_usage(process, "[OPTIONS] FILE..."))
    else:
        process.error(f"{process.name}: missing operand\nTry '{process.name} --help' for more information.")
    return code


def number(process: Process, text: str, what: str = "number", *, code: int = 1) -> int:
    """A whole number. Raises UsageError with the program's own text."""
    try:
        return int(text)
    except ValueError:
        if process.machine.flavour == "busybox":
            raise UsageError(f"invalid number '{text}'", 1) from None
        raise UsageError(f"invalid {what}: '{text}'", code) from None
