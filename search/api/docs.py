"""The page /docs: Swagger UI, from the copy in the package fastapi-offline."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from functools import cache
from importlib import metadata, resources

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse

_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
PATHS = frozenset({"/", "/docs", "/openapi.json", *(f"/docs/{name}" for name in _FILES)})
_CHUNK = 64 * 1024


def install(app: FastAPI) -> None:
    """Add the page and its files. Its Content-Security-Policy forbids loading anything from elsewhere."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=f"{app.title}: HTTP API",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="data:,",
    )
    headers = {"Content-Security-Policy": _policy(bytes(page.body).decode()), "X-Content-Type-Options": "nosniff"}

    async def start(request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/docs")
        paths = [path for path in app.openapi()["paths"]]
        about = {"name": app.title, "version": metadata.version("open-prover"), "docs": "/docs"}
        return JSONResponse({**about, "schema": "/openapi.json", "endpoints": paths})

    async def docs(_: Request) -> Response:
        return HTMLResponse(page.body, headers=headers)

    async def file(request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        content = _content(name)
        length = {"Content-Length": str(len(content))}
        return StreamingResponse(_chunks(content), media_type=_FILES[name], headers=length)

    app.add_route("/", start, include_in_schema=False)
    app.add_route("/docs", docs, include_in_schema=False)
    for name in _FILES:
        app.add_route(f"/docs/{name}", file, include_in_schema=False)


@cache
def _content(name: str) -> bytes:
    return (resources.files("fastapi_offline") / "static" / name).read_bytes()


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    """Yield a file in parts, so that unsent data is not kept once for each slow client."""
    for start in range(0, len(content), _CHUNK):
        yield content[start : start + _CHUNK]


def _policy(page: str) -> str:
    scripts = [hashlib.sha256(script.encode()).digest() for script in re.findall("<script>(.*?)</script>", page, re.S)]
    hashes = " ".join(f"'sha256-{base64.b64encode(script).decode()}'" for script in scripts)
    return (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
