"""Downloads one file by HTTP, with the user's proxy settings, and retries failures that may pass."""

from __future__ import annotations

import time
from pathlib import Path

import httpx2

from lean_env.embedded.install import ProgressCallback

_TRIES = 3
_WAIT = 0.5  # seconds before the second try, and twice that before the third
_TIMEOUT = httpx2.Timeout(20, connect=5)
_BUSY = (408, 429, 500, 502, 503, 504)


class DownloadError(Exception):
    """A file cannot be downloaded; str() says why."""


def download(url: str, target: Path, limit: int, report: ProgressCallback) -> None:
    """Write what lies at `url`, at most `limit` bytes, to the file `target`. Raises DownloadError, OSError."""
    why = ""
    for turn in range(_TRIES):
        time.sleep(turn * _WAIT)
        report("download", 0.0)
        try:
            return _stream(url, target, limit, report)
        except httpx2.HTTPStatusError as error:
            why = f"the server answered {error.response.status_code} {error.response.reason_phrase}"
            if error.response.status_code not in _BUSY:
                break
        except httpx2.ConnectTimeout:
            why = "nobody answered there"
            break  # a machine without that access shall learn it within seconds
        except httpx2.HTTPError as error:
            why = str(error) or type(error).__name__
        except (httpx2.InvalidURL, ValueError, ImportError) as error:  # the proxy settings in the environment
            why = str(error)
            break
    raise DownloadError(why)


def _stream(url: str, target: Path, limit: int, report: ProgressCallback) -> None:
    with (
        httpx2.Client(follow_redirects=True, timeout=_TIMEOUT) as client,
        client.stream("GET", url) as response,
        target.open("wb") as file,
    ):
        response.raise_for_status()
        total = int(response.headers.get("content-length", 0))
        for block in response.iter_bytes():
            file.write(block)
            if file.tell() > limit:
                raise DownloadError(f"it sends more than {limit:,} bytes")
            if total:
                report("download", min(1.0, response.num_bytes_downloaded / total))
