"""Configurations in YAML: read, and checked against their types."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from data.parsing import ParseError, parse_yaml

M = TypeVar("M", bound=BaseModel)


class ConfigError(Exception):
    """A configuration that cannot be used; str() says where and why."""


def read_config(path: Path) -> dict[str, Any]:
    """The fields in a YAML file, not yet looked at. Raises ConfigError, OSError."""
    try:
        fields = parse_yaml(path.read_bytes())
    except ParseError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(fields, dict):
        raise ConfigError(f"{path}: not a configuration: it has no fields")
    return fields


def validated(kind: type[M], fields: dict[str, Any], source: str) -> M:
    """A configuration of a kind from its fields. Raises ConfigError, with a line for each field that is wrong."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc'])) or 'together'}: {e['msg']}" for e in error.errors()]
        raise ConfigError("\n".join([f"{source}:", *lines])) from None
