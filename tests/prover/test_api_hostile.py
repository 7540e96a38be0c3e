"""The HTTP API and clients that mean harm, or make mistakes that look like it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import resource
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
import pytest_asyncio

from lean_env import Claim, LeanPool, Verdict
from lean_env.embedded import install
from search.api import logs
from search.api.limits import APILimits
from search.api.server import max_connections
from tests.browser import Browser, running
from tests.prover.test_api import LONG, SHORT, client, forever, numbers, trouble, until_metric
from tests.search.policies import HARD, Scripted

TOKEN = "clef"
WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}
HEAD = b"POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SLOW_SOLUTION = {**SHORT, "solution": "theorem c (n : Nat) : n + 0 = n := by sleep 1500; rfl"}
THEOREMS = "\n".join(f"theorem t{n} : {HARD} := by sorry" for n in range(4))


@pytest_asyncio.fixture(scope="module")
async def pool() -> AsyncIterator[LeanPool]:
    install.install()
    async with LeanPool(workers=1) as running:
        await running.start()
        yield running


@asynccontextmanager
async def connected(http: httpx.AsyncClient, sent: bytes = b"") -> AsyncIterator[asyncio.StreamReader]:
    """A bare connection that sends something and stays open."""
    reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    try:
        writer.write(sent)
        yield reader
    finally:
        writer.close()


async def said(reader: asyncio.StreamReader, within: float = 5) -> bytes:
    """What a server says until it closes the connection, which it has to do within some seconds."""
    try:
        return await asyncio.wait_for(reader.read(), within)
    except ConnectionError:
        return b""


def request(path: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = f"POST /v1/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(content) + content


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """What is logged in this test, as if nothing had been logged before."""
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(logs._rate_limit, "_last", {})
    monkeypatch.setattr(logs._rate_limit, "_left_out", Counter())
    return caplog


# ---- clients that take their time ----


async def test_a_head_that_does_not_arrive_is_waited_for_only_so_long(
    pool: LeanPool, log: pytest.LogCaptureFixture
) -> None:
    async with client(pool, limits=APILimits(head_seconds=0.3)) as http:
        async with connected(http, HEAD) as slow, connected(http) as silent:
            answer = await said(slow)
            assert answer.startswith(b"HTTP/1.1 408")
            assert b"the request's head did not arrive within 0.3 s" in answer
            assert await said(silent) == b""
        assert (await http.get("/health")).status_code == 200
    assert "Traceback" not in log.text


@pytest.mark.parametrize("drip", [False, True])
async def test_a_body_that_does_not_arrive_is_waited_for_only_so_long(pool: LeanPool, drip: bool) -> None:
    async with client(pool, limits=APILimits(body_seconds=0.5, head_seconds=0.3)) as http:
        reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        writer.write(HEAD + b"Content-Length: 1000\r\n\r\n")

        async def dripping() -> None:
            while drip:
                writer.write(b" ")
                await asyncio.sleep(0.05)

        task = asyncio.create_task(dripping())
        answer = await said(reader)
        task.cancel()
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"the body did not arrive within 0.5 s" in answer
        writer.close()


async def test_the_body_of_a_refused_request_is_waited_for_only_so_long(pool: LeanPool) -> None:
    body = HEAD + b"Content-Length: 1000\r\n\r\n"
    async with client(pool, limits=APILimits(head_seconds=0.3), token=TOKEN) as http, connected(http, body) as reader:
        assert (await said(reader)).startswith(b"HTTP/1.1 401")


async def test_an_answer_that_is_not_fetched_is_kept_only_so_long(pool: LeanPool) -> None:
    async with client(pool, limits=APILimits(body_seconds=0.3, head_seconds=0.3)) as http:
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.connect((http.base_url.host, http.base_url.port))
            lazy.sendall(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 8)
            await asyncio.sleep(1.5)
            lazy.settimeout(2)
            size = 0
            with suppress(ConnectionResetError):
                while part := lazy.recv(1 << 20):
                    size += len(part)
            assert 0 < size < 8 * 1_400_000


async def test_clients_that_send_nothing_do_not_keep_others_out(pool: LeanPool, log: pytest.LogCaptureFixture) -> None:
    limits = APILimits(running=2, head_seconds=100)
    async with (
        client(pool, Scripted(forever, stepwise=False), limits, TOKEN, connections=6) as http,
        client(pool, limits=limits, connections=6) as open_to_all,
    ):
        http.headers.update(WITH_TOKEN)
        working = asyncio.create_task(http.post("/v1/prove", json=LONG))
        async with asyncio.timeout(20):
            while (await numbers(http))["prover_requests_running{}"] != 1:
                pass
        hanging = [
            await asyncio.open_connection(server.base_url.host, server.base_url.port)
            for server in (http, open_to_all)
            for _ in range(30)
        ]
        for n, (_, writer) in enumerate(hanging):
            writer.write(HEAD if n % 2 else HEAD + b"Content-Length: 1000\r\n\r\n")
        start = time.monotonic()
        for server in (http, open_to_all):
            for _ in range(3):
                assert (await server.get("/metrics", timeout=2)).status_code == 200
        assert time.monotonic() - start < 2
        assert not working.done()
        working.cancel()
        assert (await http.post("/v1/check", json=SHORT, timeout=60)).json()["theorems"][0]["proved"]
        for _, writer in hanging:
            writer.close()
    lines = [record for record in log.records if "connection" in record.name]
    assert [record.getMessage() for record in lines] == [
        "a connection without a request was closed: there were 6, the limit"
    ]


async def test_beyond_the_limit_a_connection_is_refused_when_all_others_work(
    pool: LeanPool, log: pytest.LogCaptureFixture
) -> None:
    async with client(pool, Scripted(forever, stepwise=False), connections=2) as http:
        long = request("prove", LONG)
        async with connected(http, long), connected(http, long), asyncio.timeout(5):
            answer = b""
            while b"503" not in answer:  # one that comes before both are at work has a place
                async with connected(http, long) as third:
                    answer = await said(third)
        assert b"too many connections: at most 2" in answer
    assert len([record for record in log.records if "connection" in record.name]) <= 2


def test_the_limit_on_connections_leaves_files_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_files(files: int) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))

    with_files(resource.RLIM_INFINITY)
    assert max_connections(APILimits(connections=5000), 2) == 5000
    with_files(100_000)
    assert max_connections(APILimits(), 2) == APILimits().connections
    with_files(200)
    assert 20 < max_connections(APILimits(), 2) < 100
    with_files(20)
    with pytest.raises(ValueError, match=r"20 open files \(`ulimit -n`\) are too few"):
        max_connections(APILimits(), 2)


async def test_a_server_without_files_says_so_in_a_line(pool: LeanPool, log: pytest.LogCaptureFixture) -> None:
    async with client(pool) as http:
        await http.get("/health")
        loop = asyncio.get_running_loop()
        for _ in range(3):
            error = OSError(24, "Too many open files")
            loop.call_exception_handler({"message": "socket.accept() out of system resource", "exception": error})
    assert log.messages == ["no connection can be accepted: [Errno 24] Too many open files"]


# ---- clients that say no more ----


@pytest.mark.parametrize("body", [SHORT, SLOW_SOLUTION])
async def test_a_client_that_says_no_more_gets_its_answer(pool: LeanPool, body: dict[str, str]) -> None:
    async with client(pool) as http:
        reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        writer.write(request("check", body))
        writer.write_eof()
        answer = await said(reader, 60)
        assert b"HTTP/1.1 200 OK" in answer
        assert b'"proved":true' in answer
        assert answer.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"").startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_client_that_says_no_more_and_leaves_ends_its_search(pool: LeanPool) -> None:
    async with client(pool, Scripted(forever, stepwise=False)) as http:
        reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        writer.write(request("prove", LONG))
        writer.write_eof()
        await until_metric(http, "prover_requests_running{}", 1)
        assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 100 Continue\r\n"  # is it still there?
        assert (await numbers(http))["prover_requests_running{}"] == 1
        writer.close()
        start = time.monotonic()
        await until_metric(http, "prover_requests_running{}", 0)
        assert time.monotonic() - start < 5


# ---- clients that speak badly ----


async def test_what_is_not_http_is_refused_and_does_not_fill_the_log(
    pool: LeanPool, log: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [
        b"\x16\x03\x01 garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no host
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"X: " + b"x" * 100_000,
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGARBAGE\r\n\r\n",
    ]
    async with client(pool) as http, client(pool, token=TOKEN) as locked:
        for server in (http, locked):
            for sent in wrong * 5:
                async with connected(server, sent) as reader:
                    answer = await said(reader, 20)
                    assert answer.startswith(b"HTTP/1.1 ")
                    if b" 400 " in answer:
                        assert b'{"error":{"message":"this is not HTTP/1.1 that can be read"' in answer
            assert (await server.get("/health")).status_code == 200
    assert log.records == []
    lines = capsys.readouterr().err.splitlines()  # where uvicorn's own go
    assert lines == ["WARNING:  Invalid HTTP request received."]


async def test_what_is_not_http_after_an_answer_ends_the_connection(
    pool: LeanPool, log: pytest.LogCaptureFixture
) -> None:
    async with client(pool, token=TOKEN) as http:
        reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        assert (await reader.readuntil(b"]}}")).startswith(b"HTTP/1.1 401")
        writer.write(b"zz\r\n")
        assert await said(reader) == b""
        writer.close()
    assert log.records == []


def test_the_same_warning_is_logged_once_in_some_seconds() -> None:
    kept = logs.RateLimit(seconds=0.2)

    def record(level: int, text: str) -> logging.LogRecord:
        return logging.LogRecord("x", level, "", 0, text, (3,), None)

    warnings = [record(logging.WARNING, "no %d") for _ in range(5)]
    assert [kept.filter(warning) for warning in warnings] == [True, False, False, False, False]
    assert kept.filter(record(logging.WARNING, "another %d"))
    assert all(kept.filter(record(logging.ERROR, "error %d")) for _ in range(3))
    time.sleep(0.25)
    later = record(logging.WARNING, "no %d")
    assert kept.filter(later)
    assert later.getMessage() == "no 3 (and 4 times before)"


# ---- web pages whose name leads here ----


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LocalHost:8080", 200),
        ("127.0.0.1:1", 200),
        ("127.1.2.3", 200),
        ("[::1]:8080", 200),
        ("evil.example", 421),
        ("evil.example:8080", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("10.0.0.1", 421),
        ("", 421),
        ("[::1", 200),
        ("[evil.example]", 421),
    ],
)
async def test_without_a_token_only_a_loopback_host_is_served(pool: LeanPool, host: str, status: int) -> None:
    async with client(pool) as http:
        for path in ("/health", "/metrics", "/docs"):
            answer = await http.get(path, headers={"Host": host})
            assert answer.status_code == status
            assert status == 200 or "only requests to a loopback name" in trouble(answer, 421)


async def test_with_a_token_any_host_is_served(pool: LeanPool) -> None:
    async with client(pool, token=TOKEN) as http:
        answer = await http.get("/metrics", headers={"Host": "prover.example", **WITH_TOKEN})
        assert answer.status_code == 200


# ---- requests that ask for too much ----


async def test_a_theorem_that_is_named_twice_is_judged_once(pool: LeanPool, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    judge = pool.judge

    async def counting(claim: Claim, timeout: float = 60.0) -> Verdict:
        judged.append(claim.theorem)
        return await judge(claim, timeout)

    monkeypatch.setattr(pool, "judge", counting)
    async with client(pool) as http:
        rows = (await http.post("/v1/check", json={**SHORT, "theorems": ["x", *["c"] * 900, "x"]})).json()["theorems"]
    assert judged == ["c"]  # there is no x
    assert [row["theorem"] for row in rows] == ["x", "c"]


async def test_theorems_of_a_file_have_a_limit(pool: LeanPool) -> None:
    async with client(pool, limits=APILimits(theorems=3)) as http:
        for path, body in (("prove", {"code": THEOREMS}), ("check", {"challenge": THEOREMS, "solution": THEOREMS})):
            said = trouble(await http.post(f"/v1/{path}", json=body), 422)
            assert "theorems: at most 3 in a request, not 4" in said
        answer = await http.post("/v1/check", json={"challenge": THEOREMS, "solution": "", "theorems": ["t0", "t1"]})
        assert answer.status_code == 200


async def test_a_search_ends_with_the_time_of_its_request(pool: LeanPool) -> None:
    async with client(pool, limits=APILimits(seconds=4, request_seconds=6)) as http:
        start = time.monotonic()
        code = "theorem easy : 1 = 1 := by sorry\n" + THEOREMS
        answer = await http.post("/v1/prove", json={"code": code, "seconds": 4})
        assert time.monotonic() - start < 12
    rows = answer.json()["theorems"]
    assert [(row["name"], row["status"]) for row in rows] == [
        ("easy", "proved"),
        *((f"t{n}", "unproved") for n in range(4)),
    ]
    assert [row["detail"] for row in rows[-2:]] == ["the 6 s of the request were over"] * 2
    assert "sorry" not in answer.json()["code"].splitlines()[0]


async def test_a_check_ends_with_the_time_of_its_request(pool: LeanPool) -> None:
    names = [f"t{n}" for n in range(12)]
    challenge = "\n".join(f"theorem {name} : 1 = 1 := by sorry" for name in names)
    solution = challenge.replace("sorry", "sleep 700; rfl", 1).replace("sorry", "rfl")  # read anew for each theorem
    body = {"challenge": challenge, "solution": solution, "theorems": names}
    async with client(pool, limits=APILimits(seconds=6, request_seconds=6)) as http:
        start = time.monotonic()
        rows = (await http.post("/v1/check", json=body)).json()["theorems"]
        assert time.monotonic() - start < 12
    assert [row["theorem"] for row in rows] == names
    assert rows[0]["reason"] == "proved"
    assert (rows[-1]["reason"], rows[-1]["detail"]) == ("timeout", "the 6 s of the request were over")


def test_limits_must_fit_together() -> None:
    with pytest.raises(ValueError, match="request_seconds must not be less than seconds"):
        APILimits(seconds=10, request_seconds=5)


# ---- the page that documents the API ----


async def test_the_documentation_loads_nothing_from_elsewhere(pool: LeanPool) -> None:
    async with client(pool, token=TOKEN) as http:
        told = (await http.get("/")).json()
        assert (told["name"], told["docs"], told["schema"]) == ("Prover", "/docs", "/openapi.json")
        assert {"/v1/prove", "/v1/check"} <= set(told["endpoints"])
        start = await http.get("/", headers={"Accept": "text/html"})
        assert (start.status_code, start.headers["Location"]) == (307, "/docs")
        page = await http.get("/docs")
        sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert sorted(sources) == ["/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "data:,"]
        assert "://" not in page.text
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self' 'sha256-")
        for source in sorted(sources)[:2]:
            assert len((await http.get(source)).content) > 100_000
        assert (await http.get("/docs/redoc.standalone.js")).status_code == 401


browser = pytest.fixture(running, scope="module")


async def test_the_documentation_works_in_a_browser(pool: LeanPool, browser: Browser) -> None:
    async with client(pool) as http:

        def look() -> str:
            browser.said(), browser.asked_for()
            browser.driver.get(f"{http.base_url}/docs")
            for _ in range(50):
                time.sleep(0.1)
                if "/v1/prove" in browser.driver.page_source:
                    break
            return str(browser.driver.page_source)

        assert "/v1/prove" in await asyncio.to_thread(look)
        assert browser.said() == []
        assert {url.split("/")[2] for url in browser.asked_for() if url.startswith("http")} == {
            f"127.0.0.1:{http.base_url.port}"
        }
