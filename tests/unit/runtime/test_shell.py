"""The simulated shells print what the real ones print; and whatever is typed, they end."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.machines import Lab

from kubesim.runtime.container import Streams
from kubesim.runtime.shell import patterns
from kubesim.runtime.shell.parser import Parser
from kubesim.runtime.shell.syntax import SyntaxProblem

_MACHINES = {"dash": ("debian", "sh"), "bash": ("debian", "bash"), "busybox": ("busybox", "sh")}


def _recorded() -> list[Any]:
    rows = yaml.safe_load(Path(__file__).with_name("shell_cases.yaml").read_text())
    found = []
    for number, row in enumerate(rows):
        for expected in row["expect"]:
            names = expected["shells"].split()
            found += [pytest.param(n, row["script"], expected, id=f"{number}-{n}") for n in names]
    return found


@pytest.fixture(scope="module")
def lab() -> Lab:
    lab = Lab({})
    for image in ("debian", "busybox", "nginx", "alpine"):
        lab.start(image, image, "sleep", "infinity")
    return lab


@pytest.mark.parametrize(("shell", "script", "expected"), _recorded())
def test_script_prints_what_the_real_shell_prints(shell: str, script: str, expected: dict[str, Any]) -> None:
    image, name = _MACHINES[shell]
    lab = Lab({})
    lab.start("c", image, "sleep", "infinity", working_dir="/tmp/sandbox")
    code, out, err = lab.run("c", name, "-c", script)
    assert (out, err, code) == (expected.get("out", ""), expected.get("err", ""), expected.get("exit", 0))


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        pytest.param("while true; do :; done", 137, "may not run for ever", id="endless loop"),
        pytest.param("b() { b|b& }; b", 2, "Cannot fork", id="fork bomb"),
        pytest.param("f() { f; }; f", 2, "Maximum function recursion depth", id="recursion"),
        pytest.param("x=a; while :; do x=$x$x; done", 137, "bounded to 4 MiB", id="growing variable"),
        pytest.param("yes", 137, "output of a simulated process is bounded", id="yes"),
        pytest.param("cat /dev/zero", 137, "output of a simulated process is bounded", id="zeros"),
        pytest.param("yes > /tmp/full", 1, "No space left on device", id="full disk"),
        pytest.param("seq 100000000 | tail -n 1", 137, "carries no more than 8 MiB", id="full pipe"),
        pytest.param(
            "while :; do echo x; done | cat | wc -l", 137, "carries no more than 8 MiB", id="endless producer"
        ),
        pytest.param(
            "printf '%5000s' | tr ' ' a | sed -E 's/^(([a-z])+.)+[A-Z]([a-z])+$//'",
            137,
            "match an expression",
            id="hard expression",
        ),
        pytest.param("(while :; do sleep 1; done) & wait", 137, "may not run for ever", id="endless job"),
        pytest.param("echo x | sed ':a;ba'", 137, "may not run for ever", id="endless sed"),
        pytest.param("echo x | sed ':a;G;h;ba'", 137, "bounded to 4 MiB", id="growing sed"),
        pytest.param(
            "awk 'BEGIN { x = \"a\"; while (1) x = x x }'", 137, "bounded to 4 MiB", id="growing awk"
        ),
        pytest.param("printf '%999999999d' 1", 137, "bounded to 4 MiB", id="wide printf"),
        pytest.param("seq nan", 1, "invalid 'not-a-number' argument: 'nan'", id="no number"),
        pytest.param(
            "bash -c 'printf %s {1..1000}{1..1000}{1..1000} | wc -l; exit 5'", 5, "", id="many braces"
        ),
        pytest.param("echo " + "$(" * 3000, 2, "nested too deeply", id="deep nesting"),
        pytest.param(
            "eval 'eval \"eval :\"'; i=0; while read x; do :; done < /dev/zero", 137, "", id="endless input"
        ),
    ],
)
def test_what_has_no_end_is_ended_with_a_message(lab: Lab, script: str, code: int, said: str) -> None:
    found, _, err = lab.sh("debian", script)
    assert (found, said in err) == (code, True), err[:300]


def test_producer_without_end_meets_a_broken_pipe(lab: Lab) -> None:
    assert lab.sh("debian", "yes | head -n 2; while :; do echo x; done | head -n 1") == (0, "y\ny\nx\n", "")
    assert lab.sh("debian", "seq inf | head -n 2") == (0, "1\n2\n", "")


@pytest.mark.parametrize(
    "reader",
    [
        "sed 2q",
        "grep -m 2 y",
        "grep -q y && printf 'y\\ny\\n'",
        "awk '{ print } NR == 2 { exit }'",
        "cat | tr x y | head -n 2",
    ],
)
def test_readers_that_have_enough_do_not_miss_what_was_cut_off(lab: Lab, reader: str) -> None:
    assert lab.sh("debian", f"yes | {reader}") == (0, "y\ny\n", "")


def test_expressions_on_which_others_would_not_end_match_at_once(lab: Lab) -> None:
    text = "a" * 60
    script = f"""
        echo {text}b | grep -cE '(a+)+$'; echo {text}b | sed -E 's/^(a|a)*b$/x/'
        echo {text} | awk '!/^(a*)*b/ {{ print "no" }}'
        [[ {text}b =~ ^(a+)+$ ]]; echo $?; [[ {text} == *a*a*a*a*a*a*a*a*a*a*b ]]; echo $?
    """
    assert lab.run("debian", "bash", "-c", script) == (0, "0\nx\nno\n1\n1\n", "")


def test_long_values_are_trimmed_at_once(lab: Lab) -> None:
    script = "x=a; for i in $(seq 20); do x=$x$x; done; y=${x%%ab}; z=${y##*/}; echo ${#z}"
    assert lab.sh("debian", script) == (0, "1048576\n", "")


def test_groups_in_an_awk_separator_are_no_fields(lab: Lab) -> None:
    assert lab.sh("debian", "echo 'a,b;c' | awk -F'(,|;)' '{ print $2, NF }'") == (0, "b 3\n", "")


def test_a_shell_waits_for_its_own_jobs() -> None:
    lab = Lab({})
    lab.start("c", "debian", "sleep", "infinity")
    script = """
        (sleep 2; echo late; exit 3) & (sleep 1; echo early > /tmp/early) &
        wait $!; cat /tmp/early; wait %1; echo $?; jobs; wait 999999; echo $?
    """
    assert lab.sh("c", script) == (0, "early\nlate\n3\n127\n", "")
    lab.sh("c", "sleep 1000 &")
    assert lab.sh("c", "jobs; wait; false & wait $!; echo $?") == (0, "1\n", "")


def test_removing_everything_hurts_one_container_alone() -> None:
    lab = Lab({})
    lab.start("a", "debian", "sleep", "infinity")
    lab.start("b", "debian", "sleep", "infinity")
    assert "dangerous to operate recursively on '/'" in lab.sh("a", "rm -rf /")[2]
    lab.sh("a", "rm -rf / --no-preserve-root")
    assert lab.sh("b", "ls / | wc -l")[1] == "19\n"
    with pytest.raises(Exception, match="executable file not found"):
        lab.run("a", "ls")


_TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\1"), max_size=30)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_TEXT, min_size=1, max_size=4))
def test_quoted_words_arrive_as_they_were(lab: Lab, words: list[str]) -> None:
    script = "printf '%s\\001' " + " ".join(shlex.quote(word) for word in words)
    for machine, shell in _MACHINES.values():
        assert lab.run(machine, shell, "-c", script)[1].split("\1")[:-1] == words


_SHELLISH = st.text(alphabet="ab$(){}[]`'\"\\;|&<>\n \t#=*?!1-~%:x", max_size=30)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_SHELLISH)
def test_any_text_ends_with_an_exit_code(lab: Lab, text: str) -> None:
    for shell in ("sh", "bash"):
        assert 0 <= lab.run("debian", shell, "-c", text)[0] < 256


@settings(max_examples=150, deadline=None)
@given(_SHELLISH)
def test_parser_raises_nothing_but_syntax_problems(text: str) -> None:
    for bash in (False, True):
        try:
            Parser(text, bash=bash).whole()
        except SyntaxProblem:
            continue


def _session(lab: Lab, container: str, shell: str, *lines: str) -> tuple[int, str]:
    """Type lines at a terminal; exit code, and what the screen shows."""
    typed = [f"{line}\n".encode() for line in lines]
    screen = bytearray()
    streams = Streams(screen.extend, screen.extend, lambda: typed.pop(0) if typed else b"", tty=True)
    code = lab.runtime.exec(container, [shell], streams)
    return code, screen.decode()


@pytest.mark.parametrize(
    ("container", "shell", "screen"),
    [
        (
            "busybox",
            "sh",
            '/ # /\n/ # sh: nosuch: not found\n/ # > a\nb\n/ # sh: syntax error: unexpected ")"\n/ # ',
        ),
        (
            "debian",
            "sh",
            '# /\n# sh: 1: nosuch: not found\n# > a\nb\n# sh: 1: Syntax error: ")" unexpected\n# ',
        ),
        ("nginx", "bash", None),
    ],
)
def test_session_prompts_and_goes_on_after_errors(
    lab: Lab, container: str, shell: str, screen: str | None
) -> None:
    code, found = _session(lab, container, shell, "pwd", "nosuch", 'echo "a', 'b"', "echo )", "exit 4")
    if screen is None:
        assert found.startswith(
            "root@nginx:/# /\nroot@nginx:/# bash: nosuch: command not found\nroot@nginx:/# > a\n"
        )
    elif shell == "sh" and container == "debian":
        assert (
            found.replace("sh: 2:", "sh: 1:").replace("sh: 3:", "sh: 1:").replace("sh: 4:", "sh: 1:")
            == screen
        )
    else:
        assert found == screen
    assert code == 4


def test_session_ends_with_its_input_and_the_last_status(lab: Lab) -> None:
    assert _session(lab, "busybox", "sh", "cd /tmp", "false")[0] == 1


def test_commands_stay_in_bounds_after_an_endless_one_in_a_session(lab: Lab) -> None:
    for endless in ("while :; do :; done", "yes"):
        code, screen = _session(lab, "busybox", "sh", endless, "echo alive", "exit 0")
        assert (code, "stopped" in screen, "alive\n" in screen) == (0, True, True)


def test_ctrl_c_ends_the_command_with_130(lab: Lab) -> None:
    streams, _, _ = Streams.captured()
    streams.interrupted = lambda: True
    assert lab.runtime.exec("busybox", ["sleep", "100"], streams) == 130


@given(
    st.text("ab.\n", max_size=8),
    st.lists(st.sampled_from(["a", "b", ".", "*", "?", "[ab]", "[!a]", "\\a", "["])),
)
def test_what_is_cut_off_is_the_shortest_or_longest_that_matches(text: str, parts: list[str]) -> None:
    pattern = "".join(parts)
    heads = [end for end in range(len(text) + 1) if patterns.matches(text[:end], pattern)] or [0]
    tails = [start for start in range(len(text) + 1) if patterns.matches(text[start:], pattern)] or [
        len(text)
    ]
    assert [patterns.trim(text, pattern, op) for op in ("#", "##", "%", "%%")] == [
        text[heads[0] :],
        text[heads[-1] :],
        text[: tails[-1]],
        text[: tails[0]],
    ]
