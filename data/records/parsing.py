"""Parses JSON and YAML from outside; whatever is wrong with a text is a ParseError of one line."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import yaml

Text = TypeVar("Text", str, bytes)

BYTE_ORDER_MARK = "\ufeff"
"""The mark that some editors put at the head of a file; it is no part of the text."""

_BLANK = ("", BYTE_ORDER_MARK, b"", codecs.BOM_UTF8)
_DEEPEST = 100  # lists and objects inside of each other: so many can be printed, compared and written by any function
_TOO_DEEP = f"nested more than {_DEEPEST} levels deep"


class ParseError(ValueError):
    """A text is not in its format; str() says what is wrong with it, in one line."""


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text, with or without a byte-order mark. Raises ParseError."""
    try:
        value = json.loads(text.removeprefix(BYTE_ORDER_MARK) if isinstance(text, str) else text)
    except ValueError as error:
        raise ParseError(f"not JSON: {error}") from None
    except RecursionError:
        raise ParseError(_TOO_DEEP) from None
    opened = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    if opened > _DEEPEST and is_deep(value):
        raise ParseError(_TOO_DEEP)
    return value


def parse_yaml(text: str | bytes) -> Any:
    """The value of a YAML text without tags of Python's. The same key twice is an error. Raises ParseError."""
    try:
        value = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark, said = error.problem_mark or error.context_mark, error.problem or error.context or "not readable"
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ParseError(f"not YAML: {place}{' '.join(said.split())}") from None
    except RecursionError:
        raise ParseError(_TOO_DEEP) from None
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ParseError(f"not YAML: {' '.join(str(error).split())}") from None  # numbers, dates: as Python has it
    if is_deep(value):
        raise ParseError(_TOO_DEEP)
    return value


def nonblank_lines(lines: Iterable[Text]) -> Iterator[tuple[int, Text]]:
    """The lines of a file that hold something, each with its number from 1 on."""
    for number, line in enumerate(lines, start=1):
        if line.strip() not in _BLANK:
            yield number, line


def is_deep(value: Any) -> bool:
    """Whether lists and mappings are nested so deeply in a value that functions which recurse may fail on it."""
    level = [value]
    for _ in range(_DEEPEST + 1):
        level = [item for item in level if isinstance(item, dict | list | tuple)]
        if not level:
            return False
        inner = (item for outer in level for item in (outer.values() if isinstance(outer, dict) else outer))
        level = list({id(item): item for item in inner}.values())  # YAML can name a thing and mean it many times
    return True


class _Loader(yaml.SafeLoader):
    """Refuses mappings in which a key is there twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        first: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if before := first.get((key.tag, key.value)):
                said = f"the key {key.value!r} is there twice, first in line {before}"
                raise yaml.composer.ComposerError(None, None, said, key.start_mark)
            first[key.tag, key.value] = key.start_mark.line + 1
        return node
