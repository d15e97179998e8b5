"""JSON read strictly: what other parsers let pass is refused, and nothing ends the process."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import EncodingError
from contracts.strict_json import loads


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="open"),
        pytest.param(b"[1,]", id="trailing-comma"),
        pytest.param(b"{} {}", id="two-texts"),
        pytest.param(b"1.0", id="float"),
        pytest.param(b"1e3", id="exponent"),
        pytest.param(b"-0.0", id="negative-zero"),
        pytest.param(b"NaN", id="nan"),
        pytest.param(b"-Infinity", id="infinity"),
        pytest.param(b"9" * 5_000, id="number-of-5000-digits"),
        pytest.param(b'{"a":1,"a":2}', id="repeated-key"),
        pytest.param(b'{"a":1,"\\u0061":2}', id="repeated-key-escaped"),
        pytest.param(b'{"a":{"b":1,"b":1}}', id="repeated-key-within"),
        pytest.param(b'"\xff"', id="not-utf-8"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte-order-mark"),
        pytest.param(b'"a\nb"', id="raw-control-letter"),
        pytest.param(b'"open', id="open-string"),
        pytest.param(b"[[[[[]]]]]", id="too-deep"),
        pytest.param(b'[{"a":[{"b":[]}]}]', id="too-deep-mixed"),
        pytest.param(b"[" * 1_000_000, id="a-million-brackets"),
        pytest.param(b'{"a":' * 1_000_000, id="a-million-objects"),
        pytest.param(b'["\\"' + b"[" * 1_000_000, id="brackets-behind-an-escaped-quote"),
        pytest.param(b'["' + b'\\"' * 1_000_000, id="a-million-escaped-quotes"),
        pytest.param(b"]" * 10 + b"[" * 1_000_000, id="closed-before-opened"),
    ],
)
def test_must_fail(document: bytes) -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)  # as py-evm does
    try:
        with pytest.raises(EncodingError):
            loads(document, max_depth=4)
    finally:
        sys.setrecursionlimit(limit)


def test_brackets_in_text_do_not_count() -> None:
    value = {"a[[[[[": ["]]]]{{{{{", 'x\\"[[[[[[[', "\\"]}
    assert loads(json.dumps(value).encode(), max_depth=2) == value


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES, st.booleans())
def test_every_value_without_floats_comes_back(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    document = text.encode("utf-8", "surrogatepass")
    try:
        document.decode()
    except UnicodeDecodeError:
        return
    assert loads(document, max_depth=64) == value
