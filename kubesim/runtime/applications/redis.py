"""Redis: the commands that a learner types, over RESP and inline."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kubesim.runtime.application import Application, Listener, Peer
from kubesim.runtime.machine import Machine, ProcessEntry

_WRONG_TYPE = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
MAX_REQUEST = 16 * 1024 * 1024
MAX_KEYS = 10_000


def bulk(text: str | None) -> str:
    return "$-1\r\n" if text is None else f"${len(text.encode('utf-8', 'surrogateescape'))}\r\n{text}\r\n"


def array(items: list[str]) -> str:
    return f"*{len(items)}\r\n" + "".join(bulk(item) for item in items)


class Redis(Application):
    """A Redis server; its keys live as long as the container."""

    def __init__(self, machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> None:
        self.machine = machine
        self.entry = entry
        self.service = service
        self.password = str(service.get("password") or "")

    def open(self, peer: Peer) -> RedisConversation:
        del peer
        return RedisConversation(self)

    @property
    def keys(self) -> dict[str, Any]:
        found: dict[str, Any] = self.machine.application_state.setdefault("redis", {})
        now = self.machine.clock()
        for key in [k for k, v in found.items() if v[1] is not None and v[1] <= now]:
            del found[key]
        return found

    def execute(self, words: list[str]) -> str:
        """Run one command; the answer in RESP."""
        name = words[0].lower()
        command = _COMMANDS.get(name)
        if command is None:
            args = "".join(f"'{w}' " for w in words[1:])
            return f"-ERR unknown command '{words[0]}', with args beginning with: {args}\r\n"
        least, function = command
        if len(words) - 1 < least or (name in _EXACT and len(words) - 1 > least):
            return f"-ERR wrong number of arguments for '{name}' command\r\n"
        answer = function(self, words[1:])
        if name in _WRITES:
            self.machine.changed()
        return answer

    def value(self, key: str, kind: type) -> Any:
        """A key's value of a kind; None where it is missing. Raises TypeError for another kind."""
        found = self.keys.get(key)
        if found is None:
            return None
        if not isinstance(found[0], kind):
            raise TypeError
        return found[0]

    def put(self, key: str, value: Any, expires: float | None = None) -> None:
        if len(self.keys) < MAX_KEYS or key in self.keys:
            self.keys[key] = [value, expires]


def _ping(server: Redis, args: list[str]) -> str:
    del server
    return bulk(args[0]) if args else "+PONG\r\n"


def _set(server: Redis, args: list[str]) -> str:
    options = [a.lower() for a in args[2:]]
    exists = args[0] in server.keys
    if ("nx" in options and exists) or ("xx" in options and not exists):
        return bulk(None)
    expires = None
    for word, unit in (("ex", 1.0), ("px", 0.001)):
        if word in options:
            at = options.index(word) + 1
            if at >= len(options) or not options[at].isdigit():
                return "-ERR value is not an integer or out of range\r\n"
            expires = server.machine.clock() + int(options[at]) * unit
    server.put(args[0], args[1], expires)
    return "+OK\r\n"


def _del(server: Redis, args: list[str]) -> str:
    return f":{sum(server.keys.pop(key, None) is not None for key in args)}\r\n"


def _add(server: Redis, key: str, amount: int) -> str:
    text = server.value(key, str) or "0"
    if not re.fullmatch(r"-?\d{1,18}", text):
        return "-ERR value is not an integer or out of range\r\n"
    server.put(key, str(int(text) + amount))
    return f":{int(text) + amount}\r\n"


def _integer(text: str) -> int:
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else 0


def _keys(server: Redis, args: list[str]) -> str:
    from kubesim.runtime.shell.patterns import matches

    return array([key for key in server.keys if matches(key, args[0])])


def _expire(server: Redis, args: list[str]) -> str:
    found = server.keys.get(args[0])
    if found is None:
        return ":0\r\n"
    found[1] = server.machine.clock() + _integer(args[1])
    return ":1\r\n"


def _ttl(server: Redis, args: list[str]) -> str:
    found = server.keys.get(args[0])
    if found is None:
        return ":-2\r\n"
    return ":-1\r\n" if found[1] is None else f":{round(found[1] - server.machine.clock())}\r\n"


def _type(server: Redis, args: list[str]) -> str:
    found = server.keys.get(args[0])
    if found is None:
        return "+none\r\n"
    kind = "string" if isinstance(found[0], str) else "list" if isinstance(found[0], list) else "hash"
    return f"+{kind}\r\n"


def _push(server: Redis, args: list[str], *, left: bool) -> str:
    values = server.value(args[0], list) or []
    for value in args[1:]:
        values.insert(0 if left else len(values), value)
    server.put(args[0], values)
    return f":{len(values)}\r\n"


def _pop(server: Redis, args: list[str], *, left: bool) -> str:
    values = server.value(args[0], list)
    if not values:
        return bulk(None)
    value = values.pop(0 if left else -1)
    if not values:
        server.keys.pop(args[0], None)
    return bulk(value)


def _lrange(server: Redis, args: list[str]) -> str:
    values = server.value(args[0], list) or []
    start, stop = _integer(args[1]), _integer(args[2])
    start = max(start + len(values), 0) if start < 0 else start
    stop = stop + len(values) if stop < 0 else stop
    return array(values[start : stop + 1])


def _hset(server: Redis, args: list[str]) -> str:
    table = server.value(args[0], dict) or {}
    pairs = list(zip(args[1::2], args[2::2], strict=False))
    added = sum(k not in table for k, _ in pairs)
    table.update(pairs)
    server.put(args[0], table)
    return f":{added}\r\n"


def _hgetall(server: Redis, args: list[str]) -> str:
    table = server.value(args[0], dict) or {}
    return array([text for pair in table.items() for text in pair])


def _info(server: Redis, args: list[str]) -> str:
    version = server.service.get("version", "7.4.1")
    up = int(server.machine.clock() - server.entry.started)
    sections = {
        "server": f"# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n"
        "os:Linux 6.1.0-28-cloud-amd64 x86_64\r\n"
        f"arch_bits:64\r\nprocess_id:{server.entry.pid}\r\ntcp_port:"
        f"{server.service.get('port', 6379)}\r\nuptime_in_seconds:{up}\r\nuptime_in_days:"
        f"{up // 86400}\r\n",
        "clients": "# Clients\r\nconnected_clients:1\r\nblocked_clients:0\r\n",
        "memory": "# Memory\r\nused_memory:946432\r\nused_memory_human:924.25K\r\nmaxmemory:0\r\n",
        "replication": "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n",
        "keyspace": "# Keyspace\r\n"
        + (f"db0:keys={len(server.keys)},expires=0,avg_ttl=0\r\n" if server.keys else ""),
    }
    wanted = [a.lower() for a in args if a.lower() not in ("all", "default", "everything")]
    return bulk("\r\n".join(text for name, text in sections.items() if not wanted or name in wanted))


def _flush(server: Redis, args: list[str]) -> str:
    del args
    server.keys.clear()
    return "+OK\r\n"


def _append(server: Redis, args: list[str]) -> str:
    text = (server.value(args[0], str) or "") + args[1]
    server.put(args[0], text)
    return f":{len(text)}\r\n"


def _mset(server: Redis, args: list[str]) -> str:
    for key, value in zip(args[::2], args[1::2], strict=False):
        server.put(key, value)
    return "+OK\r\n"


def _rename(server: Redis, args: list[str]) -> str:
    if args[0] not in server.keys:
        return "-ERR no such key\r\n"
    server.keys[args[1]] = server.keys.pop(args[0])
    return "+OK\r\n"


def _time(server: Redis, args: list[str]) -> str:
    del args
    now = server.machine.clock()
    return array([str(int(now)), str(int(now % 1 * 1e6))])


def _okay(server: Redis, args: list[str]) -> str:
    del server, args
    return "+OK\r\n"


_COMMANDS: dict[str, tuple[int, Callable[[Redis, list[str]], str]]] = {
    "ping": (0, _ping),
    "echo": (1, lambda s, a: bulk(a[0])),
    "set": (2, _set),
    "get": (1, lambda s, a: bulk(s.value(a[0], str))),
    "del": (1, _del),
    "unlink": (1, _del),
    "exists": (1, lambda s, a: f":{sum(k in s.keys for k in a)}\r\n"),
    "incr": (1, lambda s, a: _add(s, a[0], 1)),
    "decr": (1, lambda s, a: _add(s, a[0], -1)),
    "incrby": (2, lambda s, a: _add(s, a[0], _integer(a[1]))),
    "decrby": (2, lambda s, a: _add(s, a[0], -_integer(a[1]))),
    "keys": (1, _keys),
    "expire": (2, _expire),
    "ttl": (1, _ttl),
    "type": (1, _type),
    "append": (2, _append),
    "strlen": (1, lambda s, a: f":{len(s.value(a[0], str) or '')}\r\n"),
    "mget": (1, lambda s, a: f"*{len(a)}\r\n" + "".join(bulk(s.value(k, str)) for k in a)),
    "mset": (2, _mset),
    "setnx": (2, lambda s, a: ":0\r\n" if a[0] in s.keys else ":1\r\n" * bool(_set(s, a))),
    "lpush": (2, lambda s, a: _push(s, a, left=True)),
    "rpush": (2, lambda s, a: _push(s, a, left=False)),
    "lpop": (1, lambda s, a: _pop(s, a, left=True)),
    "rpop": (1, lambda s, a: _pop(s, a, left=False)),
    "llen": (1, lambda s, a: f":{len(s.value(a[0], list) or [])}\r\n"),
    "lrange": (3, _lrange),
    "hset": (3, _hset),
    "hget": (2, lambda s, a: bulk((s.value(a[0], dict) or {}).get(a[1]))),
    "hgetall": (1, _hgetall),
    "hdel": (
        2,
        lambda s, a: f":{sum((s.value(a[0], dict) or {}).pop(k, None) is not None for k in a[1:])}\r\n",
    ),
    "info": (0, _info),
    "dbsize": (0, lambda s, a: f":{len(s.keys)}\r\n"),
    "flushall": (0, _flush),
    "flushdb": (0, _flush),
    "select": (1, _okay),
    "rename": (2, _rename),
    "time": (0, _time),
    "publish": (2, lambda s, a: ":0\r\n"),
    "client": (1, _okay),
    "save": (0, _okay),
    "bgsave": (0, _okay),
    "config": (1, lambda s, a: array([]) if a[0].lower() == "get" else "+OK\r\n"),
    "command": (0, lambda s, a: "*0\r\n"),
    "hello": (0, lambda s, a: array(["server", "redis", "version", str(s.service.get("version", ""))])),
    "role": (0, lambda s, a: "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"),
}
_EXACT_NAMES = """
echo get incr decr incrby decrby keys ttl type append strlen setnx llen lrange hget hgetall rename
"""
_EXACT = frozenset(_EXACT_NAMES.split())
"""Commands that take no more words than they need."""
_WRITES = frozenset(
    (
        "set",
        "del",
        "unlink",
        "incr",
        "decr",
        "incrby",
        "decrby",
        "expire",
        "append",
        "mset",
        "setnx",
        "lpush",
        "rpush",
        "lpop",
        "rpop",
        "hset",
        "hdel",
        "flushall",
        "flushdb",
        "rename",
    )
)


class RedisConversation:
    """One connection to Redis."""

    def __init__(self, server: Redis) -> None:
        self._server = server
        self._buffer = b""
        self._trusted = not server.password
        self.closed = False
        self.greeting = b""

    def receive(self, data: bytes) -> bytes:
        self._buffer += data
        if len(self._buffer) > MAX_REQUEST:
            self.closed = True
            return b"-ERR Protocol error: too big bulk count string\r\n"
        out = []
        while not self.closed:
            try:
                words = self._next()
            except ValueError as error:
                out.append(f"-ERR Protocol error: {error}\r\n")
                self.closed = True
                break
            if words is None:
                break
            if words and words[0].lower() in ("post", "host:"):
                # A browser that was sent here to give commands is hung up on, before it gets any answer (networking.c).
                self.closed = True
                return b""
            if words:
                out.append(self._answer(words))
        return "".join(out).encode("utf-8", "surrogateescape")

    def end(self) -> bytes:
        self.closed = True
        return b""

    def _answer(self, words: list[str]) -> str:
        name = words[0].lower()
        if name == "quit":
            self.closed = True
            return "+OK\r\n"
        if name == "auth":
            if not self._server.password:
                return (
                    "-ERR AUTH <password> called without any password configured for the default "
                    "user. Are you sure your configuration is correct?\r\n"
                )
            self._trusted = words[-1] == self._server.password
            return (
                "+OK\r\n"
                if self._trusted
                else "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
            )
        if not self._trusted:
            return "-NOAUTH Authentication required.\r\n"
        try:
            return self._server.execute(words)
        except TypeError:
            return _WRONG_TYPE

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n")
        if end < 0:
            return None
        line = self._buffer[:end].rstrip(b"\r")
        self._buffer = self._buffer[end + 1 :]
        return line

    def _next(self) -> list[str] | None:
        """The next command's words; None until it is all there. Raises ValueError."""
        if not self._buffer.startswith(b"*"):
            line = self._line()
            return None if line is None else line.decode("utf-8", "surrogateescape").split()
        kept = self._buffer
        count_line = self._line()
        if count_line is None:
            return None
        if not re.fullmatch(rb"\*\d{1,6}", count_line):
            raise ValueError("invalid multibulk length")
        words = []
        for _ in range(int(count_line[1:])):
            size_line = self._line()
            if size_line is None:
                self._buffer = kept
                return None
            if not re.fullmatch(rb"\$\d{1,9}", size_line):
                raise ValueError(f"expected '$', got '{size_line[:1].decode('latin-1')}'")
            size = int(size_line[1:])
            if len(self._buffer) < size + 2:
                self._buffer = kept
                return None
            words.append(self._buffer[:size].decode("utf-8", "surrogateescape"))
            self._buffer = self._buffer[size + 2 :]
        return words


def listeners(machine: Machine, entry: ProcessEntry, service: dict[str, Any]) -> list[Listener]:
    server = Redis(machine, entry, service)
    return [
        Listener("TCP", int(service["port"]), a, server, "redis-server", entry.pid)
        for a in service.get("bind") or ["*"]
    ]
