"""Flags are read as pflag reads them."""

from datetime import timedelta

import pytest

from kubesim.cli.flags import Flag, FlagError, FlagSet, HelpWanted, boolean

FLAGS = FlagSet(
    [
        Flag("output", short="o"),
        Flag("namespace", short="n"),
        boolean("watch", short="w"),
        boolean("stdin", short="i"),
        boolean("tty", short="t"),
        Flag("replicas", kind="int"),
        Flag("timeout", kind="duration", default=timedelta(seconds=30)),
        Flag("env", kind="list"),
        Flag("label-columns", short="L", kind="slice"),
        Flag("dry-run", default="none", no_opt="unchanged"),
        Flag("v", short="v", kind="int"),
    ]
)


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        pytest.param(["--output=yaml"], "output", "yaml", id="long-equals"),
        pytest.param(["--output", "yaml"], "output", "yaml", id="long-space"),
        pytest.param(["-oyaml"], "output", "yaml", id="short-joined"),
        pytest.param(["-o=yaml"], "output", "yaml", id="short-equals"),
        pytest.param(["-o", "yaml"], "output", "yaml", id="short-space"),
        pytest.param(["-o", "a=b"], "output", "a=b", id="value-with-equals"),
        pytest.param(["--output="], "output", "", id="empty-value"),
        pytest.param(["--watch"], "watch", True, id="bool"),
        pytest.param(["--watch=false"], "watch", False, id="bool-false"),
        pytest.param(["-w=0"], "watch", False, id="short-bool-with-value"),
        pytest.param(["-it"], "tty", True, id="short-together"),
        pytest.param(["-itn", "x"], "namespace", "x", id="short-together-with-value"),
        pytest.param(["--dry-run"], "dry-run", "unchanged", id="no-opt"),
        pytest.param(["--dry-run=client"], "dry-run", "client", id="no-opt-with-value"),
        pytest.param(["--dry_run=client"], "dry-run", "client", id="underscore"),
        pytest.param(["--replicas=0x10"], "replicas", 16, id="int-hex"),
        pytest.param(["--replicas=-3"], "replicas", -3, id="int-negative"),
        pytest.param(["--replicas=010"], "replicas", 8, id="int-octal"),
        pytest.param(["--timeout=1m30s"], "timeout", timedelta(seconds=90), id="duration"),
        pytest.param([], "timeout", timedelta(seconds=30), id="default"),
        pytest.param(["--env=a=1,b=2", "--env", "c"], "env", ("a=1,b=2", "c"), id="list-is-not-split"),
        pytest.param(["-La,b", "-L", "c"], "label-columns", ("a", "b", "c"), id="slice-is-split"),
        pytest.param(['-L"a,b",c'], "label-columns", ("a,b", "c"), id="slice-with-quotes"),
        pytest.param(["-v=6"], "v", 6, id="verbosity"),
    ],
)
def test_value(words, name, value):
    values, arguments, _ = FLAGS.parse(words)
    assert values.value(name) == value
    assert arguments == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param(["--nosuch"], "unknown flag: --nosuch", id="unknown"),
        pytest.param(["-z"], "unknown shorthand flag: 'z' in -z", id="unknown-short"),
        pytest.param(["-wz"], "unknown shorthand flag: 'z' in -z", id="unknown-short-after-another"),
        pytest.param(["--output"], "flag needs an argument: --output", id="no-argument"),
        pytest.param(["-o"], "flag needs an argument: 'o' in -o", id="no-argument-short"),
        pytest.param(["--=x"], "bad flag syntax: --=x", id="syntax"),
        pytest.param(
            ["--watch=maybe"],
            'invalid argument "maybe" for "-w, --watch" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
            id="not-a-bool",
        ),
        pytest.param(
            ["--replicas=x"],
            'invalid argument "x" for "--replicas" flag: strconv.ParseInt: parsing "x": invalid syntax',
            id="not-an-int",
        ),
        pytest.param(
            ["--timeout=5"],
            'invalid argument "5" for "--timeout" flag: time: missing unit in duration "5"',
            id="duration-without-unit",
        ),
    ],
)
def test_refused(words, text):
    with pytest.raises(FlagError) as caught:
        FLAGS.parse(words)
    assert str(caught.value) == text


def test_flags_and_arguments_mix():
    values, arguments, dash = FLAGS.parse(["pods", "-o", "yaml", "web", "-w"])
    assert (arguments, dash) == (["pods", "web"], -1)
    assert values.text("output") == "yaml"
    assert values.is_set("watch")


def test_what_follows_a_double_dash_is_no_flag():
    values, arguments, dash = FLAGS.parse(["pod", "--", "sh", "-c", "--output=x"])
    assert (arguments, dash) == (["pod", "sh", "-c", "--output=x"], 1)
    assert not values.changed("output")


def test_a_single_dash_is_an_argument():
    assert FLAGS.parse(["-"])[1] == ["-"]


def test_parsing_can_stop_at_the_first_argument():
    values, arguments, _ = FLAGS.parse(["-n", "x", "get", "--nosuch"], stop_at_argument=True)
    assert values.text("namespace") == "x"
    assert arguments == ["get", "--nosuch"]


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help(word):
    with pytest.raises(HelpWanted):
        FLAGS.parse([word])
