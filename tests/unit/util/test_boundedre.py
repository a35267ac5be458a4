"""Expressions on which Python's matcher would not end, and that others match as Python's does."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kubesim.util import boundedre
from kubesim.util.boundedre import compile_bounded

_ATOMS = st.sampled_from(
    ["a", "b", "c", ".", "[ab]", "[^a]", r"\w", r"\b", "^", "$", "(?=a)", "(?<!b)", "(?i:a)"]
)
_QUANTIFIERS = st.sampled_from(["", "", "*", "+", "?", "{0,2}", "{2}", "*?", "+?"])


@st.composite
def _expressions(draw: st.DrawFn, depth: int = 2) -> str:
    parts = []
    for _ in range(draw(st.integers(0, 4))):
        group = depth and draw(st.booleans())
        inner = _expressions(depth=depth - 1)
        # What is repeated is never empty: Python has ideas of its own about where such a group ended.
        atom = f"({draw(inner)}|{draw(inner)})" if group else draw(_ATOMS)
        bare = group or atom in ("^", "$", r"\b") or atom.startswith("(?")
        parts.append(atom + ("" if bare else draw(_QUANTIFIERS)))
    return "".join(parts)


def _seen(found: Any) -> Any:
    return None if found is None else (found.span(), found.groups())


@given(
    _expressions(),
    st.text("abcABC\n", max_size=10),
    st.sampled_from([0, re.IGNORECASE, re.DOTALL, re.MULTILINE]),
)
@example(r"(a+)(b|c)\2", "aabcc", 0)
@example("x*", "axb", 0)
def test_it_finds_what_python_finds(pattern: str, text: str, flags: int) -> None:
    real = re.compile(pattern, flags)
    ours = compile_bounded(pattern, flags)
    for method in ("search", "match", "fullmatch"):
        assert _seen(getattr(ours, method)(text)) == _seen(getattr(real, method)(text))
    assert [_seen(m) for m in ours.finditer(text)] == [_seen(m) for m in real.finditer(text)]
    assert ours.subn(lambda m: f"<{m.group()}>", text) == real.subn(lambda m: f"<{m.group()}>", text)
    assert ours.split(text) == real.split(text)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("(a+)+$", "a" * 60 + "b", None),
        ("(a|a)*b", "a" * 5000, None),
        ("(.*a){12}$", "a" * 3000, (0, 3000)),
        ("a?" * 30 + "a" * 30, "a" * 30, (0, 30)),
        (".*.*.*x", "a" * 3000, None),
    ],
)
def test_what_would_not_end_ends(pattern: str, text: str, found: tuple[int, int] | None) -> None:
    match = compile_bounded(pattern).search(text)
    assert (None if match is None else match.span()) == found


def test_where_it_cannot_be_told_it_is_given_up_and_others_work_meanwhile() -> None:
    pattern, text = r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 5000
    with ThreadPoolExecutor(1) as other:
        found = other.submit(compile_bounded(pattern, 0, LookupError).search, text)
        assert not found.done()  # this thread goes on
        with pytest.raises(LookupError):
            found.result()
    assert boundedre.search(pattern, text) is None
    with pytest.raises(re.error):
        boundedre.search("(", text)


@pytest.mark.parametrize("pattern", ["a{e}", r"(?:ab){e<=1}x*", r"a\{2", "[{]a*", "a{,2}b{1,}", "{x}*"])
def test_braces_mean_what_they_mean_to_python(pattern: str) -> None:
    text = "ab{e<=1}xaa{e}{x}}a{2{aaab"
    assert [m.span() for m in compile_bounded(pattern).finditer(text)] == [
        m.span() for m in re.finditer(pattern, text)
    ]
