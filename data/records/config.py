"""Reads configurations in YAML and validates them against their pydantic models."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from data.records.parsing import ParseError, parse_yaml

M = TypeVar("M", bound=BaseModel)


class ConfigError(Exception):
    """A configuration that cannot be used; str() says where and why."""


class StrictModel(BaseModel):
    """A configuration, or a part of one: unknown fields are errors, and it cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_config(path: Path) -> dict[str, Any]:
    """Read the fields of a YAML file, without validation. Raises ConfigError, OSError."""
    try:
        fields = parse_yaml(path.read_bytes())
    except ParseError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(fields, dict):
        raise ConfigError(f"{path}: not a configuration: it has no fields")
    return fields


def validated(
    kind: type[M], fields: dict[str, Any], source: str, names: Mapping[str, Sequence[str]] | None = None
) -> M:
    """Validate fields as a configuration. Raises ConfigError, with a line for each field that is wrong.

    names: what fields are called elsewhere, and which ones may be meant, for these lines.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, e['loc'])) or 'together'}: {_said(kind, e, names or {})}" for e in error.errors()
        ]
        raise ConfigError("\n".join([f"{source}:", *lines])) from None


def _said(kind: type[BaseModel], error: Any, names: Mapping[str, Sequence[str]]) -> str:
    if error["type"] != "extra_forbidden":
        return str(error["msg"])
    *_, name = (str(part) for part in error["loc"])
    there = list(fields(kind))
    meant = [path for path in names.get(name, ()) if path in there]
    meant = meant or [path for path in there if path.rpartition(".")[2] == name]
    if not meant:
        near = difflib.get_close_matches(name, {path.rpartition(".")[2] for path in there}, 2, 0.7)
        meant = [path for path in there if path.rpartition(".")[2] in near]
    return "there is no such field" + (f"; do you mean {' or '.join(meant[:3])}?" if meant else "")


def fields(kind: type[BaseModel], before: str = "") -> Iterator[str]:
    """The names of all fields, those of parts as PART.FIELD."""
    for name, field in kind.model_fields.items():
        yield before + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, f"{before}{name}.")
