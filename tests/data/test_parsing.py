"""JSON and YAML from outside: what is read, and what is refused in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from data.records.parsing import ParseError, nonblank_lines, parse_json, parse_yaml


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("read", [parse_json, parse_yaml])
def test_what_is_nested_is_read_up_to_a_depth(read: Any) -> None:
    assert json.dumps(read(nested(100))) == nested(100)
    assert len(read("[" + "[], " * 200 + "[]]")) == 201
    for text in (nested(101), nested(900), nested(100_000), "[" * 100_000, '{"a": ' * 500 + "1" + "}" * 500):
        with pytest.raises(ParseError) as error:
            read(text)
        assert len(str(error.value)) < 200
        assert "\n" not in str(error.value)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parse_json("\ufeff[1]") == parse_json("\ufeff[1]".encode()) == [1]
    assert parse_yaml("\ufeffa: 1".encode()) == {"a": 1}
    lines = [b"\xef\xbb\xbf\n", b"a\n", b" \r\n", b"b"]
    assert list(nonblank_lines(lines)) == [(2, b"a\n"), (4, b"b")]
    assert list(nonblank_lines(line.decode() for line in lines)) == [(2, "a\n"), (4, "b")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "not YAML: line 3, column 1: the key 'a' is there twice, first in line 1"),
        ("a:\n  - {b: 1, 'b': 2}\n", "line 2, column 12: the key 'b' is there twice"),
        ("a: [", "not YAML: line 1, column 5: expected the node content"),
        ("a: 2024-13-45", "not YAML: month must be in 1..12"),
        ("a: !!timestamp soon", "not YAML"),
        ("a: !!bool soon", "not YAML"),
        ("a: !!python/object:os.system {}", "could not determine a constructor"),
        ("a: " + "9" * 5000, "not YAML: Exceeds the limit"),
        ("a: \x00", "not YAML"),
        ("a: &a [*a]", "nested more than"),
        ("a0: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200)), "nested more than"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ParseError) as error:
        parse_yaml(text)
    assert said in str(error.value)


def test_aliases_and_merged_keys_are_no_repetition() -> None:
    text = "base: &b {x: 1, y: 2}\none: {<<: *b, x: 3}\nother: {<<: *b}\n"
    assert parse_yaml(text)["one"] == {"x": 3, "y": 2}
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    assert len(parse_yaml(bomb)) == 60
