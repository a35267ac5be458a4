"""The line discipline of a pseudo-terminal: what Linux' n_tty does between who types and the process that reads.

A client with a terminal of its own (`kubectl exec -it`) puts that into raw mode: every key comes as it is, and whatever is
to be seen has to be sent back. Here keys become lines: they are echoed, can be erased, and reach the process with the end of
their line. Settings are those of a fresh pty: icanon, echo, echoe, echok, echoctl, isig, icrnl, onlcr, iutf8.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MAX_LINE: Final = 4095  # N_TTY_BUF_SIZE, without the byte for the line's end
_BELL, _TAB, _EOF, _REPRINT, _ERASE_LINE, _ERASE_WORD, _SUSPEND = 0x07, 0x09, 0x04, 0x12, 0x15, 0x17, 0x1A
_NO_CODE: Final = -1
_ENDS: Final = (_EOF, 0x0A, 0x0D)
_SIGNALS: Final = (0x03, 0x1C)
_ERASURES: Final = (0x08, 0x7F, _ERASE_LINE, _ERASE_WORD)


@dataclass(slots=True)
class Typed:
    """What became of some keys: what is to be seen at once, what the process gets, how often it is interrupted.

    An empty piece of input is an end of it: Ctrl-D on an empty line.
    """

    echo: bytearray = field(default_factory=bytearray)
    input: list[bytes] = field(default_factory=list)
    interrupts: int = 0


class LineDiscipline:
    """One terminal."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._size = 0
        self._rest = b""  # the beginning of a character that is not complete

    def type(self, keys: bytes) -> Typed:
        """Take keys."""
        done = Typed()
        keys, self._rest = self._rest + keys, b""
        at = 0
        while at < len(keys):
            size = _character_size(keys[at])
            if at + size > len(keys):
                self._rest = keys[at:]
                break
            self._key(keys[at : at + size], done)
            at += size
        return done

    def show(self, output: bytes) -> bytes:
        """What a process writes, as the terminal gets it: each line's end brings the cursor back."""
        return output.replace(b"\n", b"\r\n")

    def _key(self, key: bytes, done: Typed) -> None:
        code = key[0] if len(key) == 1 else _NO_CODE
        if code in _ENDS:
            done.echo += b"" if code == _EOF else b"\r\n"
            done.input.append(b"".join(self._line) + (b"" if code == _EOF else b"\n"))
            self._clear()
        elif code in _SIGNALS:
            done.echo += _echoed(key)
            done.input.clear()  # what was typed ahead is dropped with the line
            done.interrupts += 1
            self._clear()
        elif code in _ERASURES:
            self._erase_as(code, done)
        elif code == _REPRINT:
            done.echo += b"^R\r\n" + b"".join(map(_echoed, self._line))
        elif code == _SUSPEND:
            done.echo += b"^Z"  # there is no job control: nothing is stopped
        elif self._size + len(key) > MAX_LINE:
            done.echo.append(_BELL)
        else:
            self._line.append(key)
            self._size += len(key)
            done.echo += _echoed(key)

    def _erase_as(self, code: int, done: Typed) -> None:
        """A character, a word with the blanks behind it, or the line."""
        if code == _ERASE_LINE:
            while self._line:
                self._erase(done)
        elif code == _ERASE_WORD:
            for blank in (True, False):
                while self._line and (self._line[-1] in (b" ", b"\t")) is blank:
                    self._erase(done)
        else:
            self._erase(done)

    def _erase(self, done: Typed) -> None:
        if self._line:
            key = self._line.pop()
            self._size -= len(key)
            done.echo += b"\b \b" * (2 if _is_control(key) else 1)

    def _clear(self) -> None:
        self._line.clear()
        self._size = 0


def _is_control(key: bytes) -> bool:
    return len(key) == 1 and key[0] < 0x20 and key[0] != _TAB


def _echoed(key: bytes) -> bytes:
    """A control character is shown as ^X, all others as they are."""
    return bytes((0x5E, key[0] ^ 0x40)) if _is_control(key) else key


def _character_size(first: int) -> int:
    """How many bytes a character of UTF-8 has, by its first."""
    if first >= 0xF0:
        return 4
    if first >= 0xE0:
        return 3
    return 2 if first >= 0xC0 else 1
