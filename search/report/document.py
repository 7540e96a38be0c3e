"""What every report page is made of: one HTML file with its style, its script and its data in it."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from string import Template


def filled(package: str, template: str, **values: object) -> bytes:
    """The package's template with its style, its script and the values in it.

    `page.css` and `page.js` of the package follow this package's `base.css` and `base.js`. The template names their
    hashes in its Content-Security-Policy, which admits nothing else.
    """
    style = _source(__package__, "base.css") + _source(package, "page.css")
    script = _source(__package__, "base.js") + _source(package, "page.js")
    text = Template(_source(package, template)).substitute(
        values, style=style, style_hash=_hash(style), script=script, script_hash=_hash(script)
    )
    return text.encode("utf-8", "backslashreplace")


def data(json: bytes) -> str:
    """JSON to stand in a script element: without any `<`, nothing in its texts can end that element."""
    return json.decode("utf-8").replace("<", "\\u003c")


def _source(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """As a Content-Security-Policy names what it admits."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
