"""Programs about time: date, sleep, timeout, uptime, watch."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from kubesim.runtime.commands.common import program
from kubesim.runtime.commands.options import UsageError, missing_operand, parse
from kubesim.runtime.process import Process, Suspended

_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)([smhd]?)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
FOR_EVER = 100 * 365 * 86400.0


def duration(process: Process, text: str) -> float:
    """A duration such as 5, 1.5m, 2h or infinity, in seconds. Raises UsageError."""
    if text in ("infinity", "inf"):
        return FOR_EVER
    match = _DURATION.fullmatch(text)
    if match is None:
        if process.machine.flavour == "busybox":
            raise UsageError(f"invalid number '{text}'")
        raise UsageError(f"invalid time interval '{text}'\nTry '{process.name} --help' for more information.")
    return float(match.group(1)) * _UNITS[match.group(2)]


@program
def sleep(process: Process) -> int:
    if not process.args:
        return missing_operand(process)
    seconds = sum(duration(process, text) for text in process.args)
    if process.resume is not None:
        return process.machine.take_woken() if seconds >= FOR_EVER else 0
    if seconds >= FOR_EVER and process.timeline.wait is None:
        process.machine.enter(process)
        process.machine.wait_for_ever(process)
    process.sleep(seconds)
    return 0


def usleep(process: Process) -> int:
    if process.resume is None:
        process.sleep(float(process.args[0]) / 1e6 if process.args and process.args[0].isdigit() else 0.0)
    return 0


@program
def timeout(process: Process) -> int:
    opts = parse(
        process,
        "s:k:t:v",
        {"signal=": "s", "kill-after=": "k", "foreground": "v", "preserve-status": "v"},
        stop=True,
        code=125,
    )
    args = opts.args
    limit = opts.get("t") or (args.pop(0) if args else "")
    if not args or not limit:
        return missing_operand(process, code=125)
    seconds = duration(process, limit) or FOR_EVER
    frames = process.resume
    deadline = frames[0] if frames else process.timeline.now() + seconds
    if frames is not None and frames[1] is None:
        process.machine.end(frames[2], 143)
        return 143 if process.machine.flavour == "busybox" else 124
    child = process.child(args)
    child.resume = frames[1][1:] if frames else None
    if frames:
        child.argv = frames[1][0]
    try:
        code = process.machine.run(child)
    except OSError as error:
        return process.fail(
            f"failed to run command '{args[0]}': {error.strerror}", 127 if error.errno == 2 else 126
        )
    except Suspended as wait:
        if not process.timeline.suspendable:
            process.machine.end(child.pid, 143)
            process.timeline.pass_by(seconds)
            return 143 if process.machine.flavour == "busybox" else 124
        if wait.until is not None and wait.until <= deadline:
            wait.frames = [deadline, wait.frames, child.pid]
        else:
            wait.until = deadline
            wait.frames = [deadline, None, child.pid]
        raise
    if process.timeline.now() > deadline and not process.timeline.suspendable:
        return 143 if process.machine.flavour == "busybox" else 124
    return code


@program
def time(process: Process) -> int:
    began = process.timeline.now()
    args = process.args[1:] if process.args[:1] == ["-p"] else process.args
    code = process.run(args) if args else 0
    spent = process.timeline.now() - began
    if process.args[:1] == ["-p"]:
        process.error(f"real {spent:.2f}\nuser 0.00\nsys 0.00")
    else:
        process.error(f"real\t{int(spent // 60)}m {spent % 60:.2f}s\nuser\t0m 0.00s\nsys\t0m 0.00s")
    return code


@program
def date(process: Process) -> int:
    opts = parse(
        process,
        "uRId:s:D:r:",
        {
            "utc": "u",
            "universal": "u",
            "date=": "d",
            "rfc-email": "R",
            "iso-8601": "I",
            "set=": "s",
            "reference=": "r",
            "rfc-3339=": "3",
        },
    )
    now = datetime.fromtimestamp(process.timeline.now(), UTC)
    if "d" in opts:
        now = _parse_date(process, opts.get("d"), now)
    if "r" in opts:
        now = datetime.fromtimestamp(process.machine.fs.stat(process.path(opts.get("r"))).mtime, UTC)
    if "s" in opts or (opts.args and not opts.args[0].startswith("+")):
        if opts.args and not re.fullmatch(r"[\d.:-]+", opts.args[0]):
            raise UsageError(f"invalid date '{opts.args[0]}'")
        return process.fail(
            "can't set date: Operation not permitted"
            if process.machine.flavour == "busybox"
            else "cannot set date: Operation not permitted"
        )
    if opts.args:
        template = opts.args[0][1:]
    elif "R" in opts:
        template = "%a, %d %b %Y %H:%M:%S +0000"
    elif "I" in opts:
        template = "%Y-%m-%d"
    elif "3" in opts:
        template = "%Y-%m-%d %H:%M:%S+00:00"
    else:
        template = "%a %b %e %H:%M:%S UTC %Y"
    process.print(strftime(now, template))
    return 0


def strftime(at: datetime, template: str) -> str:
    """GNU date's format."""
    special = {
        "%N": f"{at.microsecond:06d}000", "%s": str(int(at.timestamp())), "%Z": "UTC", "%z": "+0000", "%:z": "+00:00",
        "%e": f"{at.day:2d}", "%k": f"{at.hour:2d}", "%l": f"{at.hour % 12 or 12:2d}", "%n": "\n", "%t": "\t",
        "%T": at.strftime("%H:%M:%S"), "%F": at.strftime("%Y-%m-%d"), "%D": at.strftime("%m/%d/%y"),
        "%R": at.strftime("%H:%M"), "%h": at.strftime("%b"), "%3N": f"{at.microsecond // 1000:03d}",
        "%c": at.strftime("%a %b ") + f"{at.day:2d}" + at.strftime(" %H:%M:%S %Y"), "%P": at.strftime("%p").lower(),
        "%x": at.strftime("%m/%d/%y"), "%X": at.strftime("%H:%M:%S"), "%r": at.strftime("%I:%M:%S %p"),
        "%u": str(at.isoweekday()), "%-d": str(at.day), "%-m": str(at.month), "%-H": str(at.hour), "%%": "%",
        "%-M": str(at.minute), "%-S": str(at.second), "%C": f"{at.year // 100:02d}", "%6N": f"{at.microsecond:06d}",
    }  # fmt: skip

    def one(match: re.Match[str]) -> str:
        code = match.group()
        if code in special:
            return special[code]
        return at.strftime(code) if code[-1] in "aAbBdHIjmMpSUwWyYVG" else code

    return re.sub(r"%[-:\d]?[a-zA-Z%]", one, template)


def _parse_date(process: Process, text: str, now: datetime) -> datetime:
    if match := re.fullmatch(r"@(-?\d+(?:\.\d+)?)", text):
        return datetime.fromtimestamp(float(match.group(1)), UTC)
    if text in ("now", ""):
        return now
    days = {"today": 0, "yesterday": -1, "tomorrow": 1}
    if text in days:
        return now + timedelta(days=days[text])
    if match := re.fullmatch(r"([-+]?)\s*(\d+)\s*(sec|second|min|minute|hour|day|week)s?(\s+ago)?", text):
        seconds = {"sec": 1, "second": 1, "min": 60, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
        amount = int(match.group(2)) * seconds[match.group(3)]
        return now + timedelta(seconds=-amount if match.group(1) == "-" or match.group(4) else amount)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"invalid date '{text}'") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def uptime(process: Process) -> int:
    now = datetime.fromtimestamp(process.timeline.now(), UTC)
    seconds = int(max(process.timeline.now() - process.machine.booted, 0)) + 3600
    hours, minutes = seconds % 86400 // 3600, seconds % 3600 // 60
    days = seconds // 86400
    up = (f"{days} day{'s' if days != 1 else ''}, " if days else "") + (
        f"{hours}:{minutes:02d}" if hours else f"{minutes} min"
    )
    process.print(f" {now:%H:%M:%S} up {up},  0 users,  load average: 0.08, 0.03, 0.01")
    return 0


@program
def watch(process: Process) -> int:
    opts = parse(process, "n:dtbegcx", {"interval=": "n", "no-title": "t"}, stop=True)
    if not opts.args:
        return missing_operand(process)
    seconds = float(opts.get("n", "2"))
    while True:
        at = datetime.fromtimestamp(process.timeline.now(), UTC)
        process.write("\x1b[H\x1b[J" if process.interactive else "")
        if "t" not in opts:
            process.print(
                f"Every {seconds:.1f}s: {' '.join(opts.args)}    {strftime(at, '%a %b %e %H:%M:%S %Y')}\n"
            )
        process.run(["sh", "-c", " ".join(opts.args)])
        process.sleep(seconds)
