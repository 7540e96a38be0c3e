"""Shared parts of the report pages: one HTML file each, with its style, its script and its data in it."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from string import Template


def render_template(package: str, template: str, **values: object) -> bytes:
    """Return the package's template with its style, its script and the values filled in.

    `page.css` and `page.js` of the package follow this package's `base.css` and `base.js`. The template names their
    hashes in its Content-Security-Policy, which admits nothing else.
    """
    style = _source(__package__, "base.css") + _source(package, "page.css")
    script = _source(__package__, "base.js") + _source(package, "page.js")
    text = Template(_source(package, template)).substitute(
        values, style=style, style_hash=_hash(style), script=script, script_hash=_hash(script)
    )
    return text.encode("utf-8", "backslashreplace")


def script_json(json: bytes) -> str:
    """Return JSON that is safe inside a script element: without any `<`, no text in it can end the element."""
    return json.decode("utf-8").replace("<", "\\u003c")


def _source(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """Return the hash of a text in the form of a Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
