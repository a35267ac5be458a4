"""Redirections: where a command's streams lead."""

from __future__ import annotations

import errno
import os
from typing import Any

from kubesim.runtime.process import BytesReader, Null
from kubesim.runtime.shell.control import RedirectFailed
from kubesim.runtime.shell.syntax import Redirect
from kubesim.runtime.shell.variables import Variables


class Redirections(Variables):
    """A shell's part that opens files."""

    def redirected(self, redirects: list[Redirect], *, again: bool = False) -> dict[int, Any]:
        """The descriptors after some redirections. With `again` files are not emptied. Raises RedirectFailed."""
        fds = dict(self.fds)
        for redirect in redirects:
            target = self.expand.text(redirect.target)
            self._apply(fds, redirect.fd, redirect.op, target, again=again)
        return fds

    def _apply(self, fds: dict[int, Any], fd: int, op: str, target: str, *, again: bool) -> None:
        process = self.process
        process.files = {n: stream for n, stream in fds.items() if n > 2}
        writing = op in (">", ">>", ">|", "&>", "&>>", "<>")
        try:
            if op == "<<":
                fds[fd] = BytesReader(target.encode("utf-8", "surrogateescape"))
            elif op == "<<<":
                fds[fd] = BytesReader((target + "\n").encode("utf-8", "surrogateescape"))
            elif op in (">&", "<&"):
                self._duplicate(fds, fd, target, again=again)
            elif op == "<":
                fds[fd] = self._open(fds, target, reading=True)
            else:
                append = op in (">>", "&>>", "<>") or again
                stream = self._open(fds, target, reading=False, append=append)
                fds[fd] = stream
                if op.startswith("&"):
                    fds[2] = stream
        except OSError as error:
            self.complain(self.flavour.redirect(target, error.errno or 0, writing=writing))
            raise RedirectFailed from None

    def _open(self, fds: dict[int, Any], name: str, *, reading: bool, append: bool = False) -> Any:
        process = self.process
        if not name:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        kept = process.stdin, process.out, process.err
        process.stdin, process.out, process.err = fds.get(0, Null()), fds.get(1, Null()), fds.get(2, Null())
        try:
            return (
                process.open_reader(process.path(name))
                if reading
                else process.open_writer(process.path(name), append=append)
            )
        finally:
            process.stdin, process.out, process.err = kept

    def _duplicate(self, fds: dict[int, Any], fd: int, target: str, *, again: bool) -> None:
        if target == "-":
            fds[fd] = Null()
        elif target.isdigit():
            number = int(target[:4])
            if number not in fds:
                self.complain(f"{target}: Bad file descriptor")
                raise RedirectFailed
            fds[fd] = fds[number]
        else:
            stream = self._open(fds, target, reading=False, append=again)
            fds[fd] = stream
            if fd == 1:
                fds[2] = stream
