"""python: the standard library's HTTP server, and one-liners that print."""

from __future__ import annotations

import ast

from kubesim.runtime.commands.common import program
from kubesim.runtime.process import Process, Suspended


@program
def python(process: Process) -> int:
    args = list(process.args)
    version = process.env.get("PYTHON_VERSION") or process.machine.image.version or "3.13.1"
    while args and args[0] in ("-u", "-B", "-s", "-E", "-I", "-O"):
        args.pop(0)
    if args[:1] in (["--version"], ["-V"]):
        process.print(f"Python {version}")
        return 0
    if args[:2] == ["-m", "http.server"]:
        return _http_server(process, args[2:], version)
    if args[:1] == ["-m"]:
        process.error(
            f"{process.machine.which(process.argv[0], process.env.get('PATH', '')) or 'python'}"
            f": No module named {args[1] if len(args) > 1 else ''}"
        )
        return 1
    if args[:1] == ["-c"] and len(args) > 1:
        return _one_liner(process, args[1])
    if not args:
        if process.interactive:
            process.error(f"Python {version} (main, Dec  4 2024, 20:36:16) [GCC 12.2.0] on linux")
        return _one_liner(process, process.read_text())
    try:
        text = process.read_file(args[0]).decode("utf-8", "replace")
    except OSError as error:
        process.error(
            f"{process.name}: can't open file '{process.path(args[0])}': "
            f"[Errno {error.errno}] {error.strerror}"
        )
        return 2
    return _one_liner(process, text)


python3 = python


def _http_server(process: Process, args: list[str], version: str) -> int:
    port, address, root = 8000, "*", process.cwd
    words = list(args)
    while words:
        word = words.pop(0)
        name, _, value = word.partition("=")
        if name in ("-b", "--bind"):
            address = value or (words.pop(0) if words else "")
        elif name in ("-d", "--directory"):
            root = process.path(value or (words.pop(0) if words else "."))
        elif word.isdigit():
            port = int(word)
    if any(x.port == port and x.protocol == "TCP" for x in process.machine.network.listeners()):
        process.error("OSError: [Errno 98] Address already in use")
        return 1
    shown = "0.0.0.0" if address in ("*", "") else address  # noqa: S104 - of the simulation
    # Standard output is a pipe and buffered, so the greeting shows only where PYTHONUNBUFFERED or -u says so.
    if process.resume is None and (
        process.env.get("PYTHONUNBUFFERED") or "-u" in process.args or process.interactive
    ):
        process.print(f"Serving HTTP on {shown} port {port} (http://{shown}:{port}/) ...")
    service = {"application": "python", "version": version, "listen": [[address, port]], "root": root}
    return process.machine.serve(process, service, exit_on=())


def _one_liner(process: Process, text: str) -> int:
    """Run what needs no interpreter: imports, print of constants and environment variables, sleep, exit."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        process.error(
            f'  File "<string>", line {getattr(error, "lineno", 1)}\n    '
            f"{text.strip().splitlines()[0] if text.strip() else ''}\nSyntaxError: invalid "
            "syntax"
        )
        return 1
    start = int(process.resume[0]) if process.resume else 0
    process.resume = None
    for index, statement in enumerate(tree.body):
        if index < start or isinstance(statement, (ast.Import, ast.ImportFrom, ast.Pass)):
            continue
        process.budget.step()
        call = statement.value if isinstance(statement, ast.Expr) else None
        if not isinstance(call, ast.Call):
            return _beyond(process)
        name = ast.unparse(call.func)
        try:
            values = [_value(process, arg) for arg in call.args]
        except (ValueError, KeyError, ArithmeticError) as error:
            process.error(
                'Traceback (most recent call last):\n  File "<string>", line '
                f"{statement.lineno}, in <module>\n{type(error).__name__}: {error}"
            )
            return 1
        except NotImplementedError:
            return _beyond(process)
        if name == "print":
            process.print(" ".join(map(str, values)))
        elif name in ("time.sleep", "sleep"):
            try:
                process.sleep(float(str(values[0])))
            except Suspended as wait:
                wait.frames = [index + 1]
                raise
        elif name in ("exit", "sys.exit", "quit", "os._exit"):
            return int(values[0]) & 255 if values and isinstance(values[0], int) else 0
        else:
            return _beyond(process)
    return 0


def _beyond(process: Process) -> int:
    process.error(
        f"{process.name}: a simulated machine runs python -m http.server, "
        "and scripts of print, time.sleep and sys.exit"
    )
    return 1


def _value(process: Process, node: ast.expr) -> object:
    try:
        value: object = ast.literal_eval(node)
    except ValueError:
        text = ast.unparse(node)
        for lead in ("os.environ[", "os.environ.get(", "os.getenv("):
            if text.startswith(lead):
                key = ast.literal_eval(text[len(lead) : -1].split(",")[0])
                if lead.endswith("["):
                    return process.env[key]
                return process.env.get(key)
        if text in ("socket.gethostname()", "os.uname().nodename", "platform.node()"):
            return process.machine.hostname
        if isinstance(node, ast.BinOp):
            return _arithmetic(_value(process, node.left), node.op, _value(process, node.right))
        raise NotImplementedError(text) from None
    return value


def _arithmetic(left: object, op: ast.operator, right: object) -> object:
    if isinstance(op, ast.Add) and isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        match op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                return left / right
            case ast.FloorDiv():
                return left // right
            case ast.Mod():
                return left % right
    raise NotImplementedError
