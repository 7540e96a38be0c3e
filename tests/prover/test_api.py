"""The HTTP API with real Lean: what it answers, whom it lets in, and what it does when there is too much."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from lean_env import LeanPool
from lean_env.embedded import install
from prover.policy import Policy, PolicyUnavailable, Prompt, TacticsPolicy
from search.api.app import APILimits, create_app
from search.api.server import APIServer
from tests.search.policies import HARD, Scripted

EASY = "theorem two : 1 + 1 = 2 := by\n  sorry\n\ntheorem held (a : Nat) : a = a := rfl\n"
CHALLENGE = "theorem c (n : Nat) : n + 0 = n := by sorry"


def forever(prompt: Prompt) -> Sequence[str]:
    """More proofs than a search can try, none of them right."""
    return [f"exact foo{n}" for n in range(10**5)]


def failing(error: Exception) -> Policy:
    def script(prompt: Prompt) -> Sequence[str]:
        raise error

    return Scripted(script, stepwise=False)


@pytest_asyncio.fixture(scope="module")
async def pool() -> AsyncIterator[LeanPool]:
    """One worker: what a request keeps busy, no other request gets."""
    install.install()
    async with LeanPool(workers=1) as running:
        yield running


@asynccontextmanager
async def client(
    pool: LeanPool,
    policy: Policy | None = None,
    limits: APILimits | None = None,
    token: str | None = None,
    connections: int | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a real server on a free port."""
    server = APIServer(create_app(pool, policy or TacticsPolicy(), limits, token), connections)
    listening = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([listening]))
    try:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=url, timeout=100) as http:
            yield http
    finally:
        server.should_exit = True
        await serving
        listening.close()


@pytest_asyncio.fixture(scope="module")
async def http(pool: LeanPool) -> AsyncIterator[httpx.AsyncClient]:
    async with client(pool) as running:
        yield running


def trouble(answer: httpx.Response, status: int) -> str:
    """What a refusal says, all of it; every refusal has the same shape."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "messages"}
    assert "Traceback" not in answer.text
    return "\n".join([body["error"]["message"], *body["error"]["messages"]])


async def numbers(http: httpx.AsyncClient, **headers: str) -> dict[str, float]:
    """The metrics: `name{label,…}` to value."""
    text = (await http.get("/metrics", headers=headers)).text
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    return {f"{s.name}{{{','.join(s.labels.values())}}}": s.value for s in samples}


async def until_metric(http: httpx.AsyncClient, name: str, wanted: float) -> None:
    async with asyncio.timeout(20):
        while (await numbers(http))[name] != wanted:
            pass


# ---- proving ----


async def test_a_file_comes_back_with_its_proofs_filled_in(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/prove", json={"code": EASY, "seconds": 30})
    assert answer.status_code == 200, answer.text
    two, held = answer.json()["theorems"]
    assert (two["name"], two["line"], two["status"], two["reason"]) == ("two", 1, "proved", "proved")
    assert (held["name"], held["line"], held["status"], held["proof"]) == ("held", 4, "holds", None)
    names = {"name", "line", "status", "proof", "reason", "detail", "kernels", "samples", "checks", "seconds"}
    names |= {"counterexample", "negation"}
    assert set(two) == names
    assert two["kernels"] == ["lean", "open-prover"]
    assert answer.json()["code"] == EASY.replace("sorry", two["proof"])
    judged = await http.post("/v1/check", json={"challenge": EASY, "solution": answer.json()["code"]})
    assert [(r["theorem"], r["reason"]) for r in judged.json()["theorems"]] == [("two", "proved")]


@pytest.mark.parametrize(
    "body",
    [
        {"statement": "∀ a b : Nat, a + b = b + a"},
        {"statement": "theorem t (p : Prop) : p → p", "search": "sampling", "seed": 3},
        {"statement": "theorem t : 2 ∣ 4 := by sorry", "search": "rmaxts", "code": None},
        {"code": "import Mathlib\nopen Nat Real\ntheorem m (n : ℕ) (h : 3 < n) : 2 < n := by sorry", "header": "core"},
        {"statement": "theorem t : two = 2", "header": "abbrev two := 2"},
    ],
)
async def test_statements_and_headers_in_their_forms(http: httpx.AsyncClient, body: dict[str, object]) -> None:
    answer = await http.post("/v1/prove", json={**body, "seconds": 30})
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["theorems"]
    assert row["status"] == "proved"
    assert row["proof"].splitlines()[-1].strip() in answer.json()["code"]


async def test_what_is_not_proved_is_said_to_be_so(http: httpx.AsyncClient) -> None:
    code = f"theorem hard : {HARD} := by sorry\ntheorem wrong : 1 = 2 := by rfl\n"
    answer = await http.post("/v1/prove", json={"code": code, "seconds": 1})
    hard, wrong = answer.json()["theorems"]
    assert (hard["status"], hard["proof"], hard["reason"]) == ("unproved", None, None)
    assert hard["checks"] > 0
    assert (wrong["status"], wrong["reason"]) == ("fails", "error")
    assert answer.json()["code"] == code


async def test_only_the_theorems_asked_for_are_worked_on(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/prove", json={"code": EASY, "theorems": ["held"]})
    assert [r["name"] for r in answer.json()["theorems"]] == ["held"]
    unknown = await http.post("/v1/prove", json={"code": EASY, "theorems": ["nine"]})
    assert "no theorem is called nine; there is: two, held" in trouble(unknown, 422)


# ---- checking ----


@pytest.mark.parametrize(
    ("solution", "reason"),
    [
        ("theorem c (n : Nat) : n + 0 = n := rfl", "proved"),
        ("axiom x : False\ntheorem c (n : Nat) : n + 0 = n := x.elim", "forbidden"),
        ("theorem c (n : Nat) : n + 0 = n := by native_decide", "forbidden"),
        ("theorem c (n : Nat) : n + 0 = n := by sorry", "sorry"),
        ("theorem c (n : Nat) : n + 0 = n := by exact nonsense", "error"),
        ("theorem c (n : Nat) : n = n := rfl", "statement"),
        ("theorem d (n : Nat) : n + 0 = n := rfl", "missing"),
        ("", "missing"),
        ("theorem c (n : Nat) : n + 0 = n := rfl -- \0", "proved"),
    ],
)
async def test_a_solution_gets_the_verdict_it_deserves(http: httpx.AsyncClient, solution: str, reason: str) -> None:
    answer = await http.post("/v1/check", json={"challenge": CHALLENGE, "solution": solution, "seconds": 20})
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["theorems"]
    assert (row["theorem"], row["reason"], row["proved"]) == ("c", reason, reason == "proved")
    assert set(row) == {"theorem", "proved", "reason", "detail", "axioms", "kernels", "seconds"}


async def test_named_theorems_have_one_row_each_in_the_order_asked(http: httpx.AsyncClient) -> None:
    body = {"challenge": EASY, "solution": EASY.replace("sorry", "rfl"), "theorems": ["held", "two", "held", "x"]}
    rows = (await http.post("/v1/check", json=body)).json()["theorems"]
    assert [(r["theorem"], r["reason"]) for r in rows] == [("held", "proved"), ("two", "proved"), ("x", "challenge")]


# ---- wrong requests ----


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("prove", "{not json", "not JSON at character 1"),
        ("prove", "", "Field required"),
        ("prove", "[]", "object"),
        ("prove", b'{"statement": "\xff"}', "not JSON"),
        ("prove", "[" * 100_000, "nested too deep: at most 16 levels"),
        ("prove", '{"statement": ' + "[" * 16 + "]" * 16 + "}", "nested too deep: at most 16 levels"),
        ("prove", '{"statement": "True", "seed": 1, "seed": 2}', "seed: given twice"),
        ("check", '{"challenge": "a", "solution": "", "challenge": "b"}', "challenge: given twice"),
        ("prove", json.dumps({f"f{n}": 0 for n in range(101)}), "too many fields: at most 100"),
        ("prove", '{"statement": "True", "seed": ' + "9" * 5000 + "}", "not JSON"),
        ("prove", '{"statement": "a\\ud800"}', "statement: not valid Unicode at character 1"),
        ("check", '{"challenge": "", "solution": "", "theorems": ["\\udfff"]}', "theorems.0: not valid Unicode"),
        ("prove", '{"statement": "True", "\\ud800": 1}', "unicode string"),
        ("prove", '{"statement": "True", "seconds": NaN}', "seconds: "),
        ("prove", {}, "either `code` or `statement`"),
        ("prove", {"code": EASY, "statement": "True"}, "either `code` or `statement`"),
        ("prove", {"statement": "True", "second": 3}, "second: Extra inputs are not permitted"),
        ("prove", {"statement": "True", "seconds": 0}, "seconds: Input should be greater than 0"),
        ("prove", {"statement": "True", "seconds": 301}, "seconds: at most 300 here"),
        ("prove", {"statement": "True", "seconds": "9"}, "seconds: Input should be a valid number"),
        ("prove", {"statement": "True", "search": "magic"}, "search: no search is called 'magic'; there are: auto"),
        ("prove", {"statement": "True", "seed": -1}, "seed: "),
        ("prove", {"statement": "True", "theorems": ["a"] * 1001}, "theorems: at most 1000 items, not 1001"),
        ("prove", {"statement": 3}, "statement: Input should be a valid string"),
        ("prove", {"statement": ""}, "Lean reports errors"),
        ("prove", {"statement": "1 +"}, "unexpected token"),
        ("prove", {"statement": "\0"}, "Lean reports errors"),
        ("prove", {"statement": "a" * 1_000_001}, "statement: at most 1000000 characters, not 1000001"),
        ("check", {"challenge": "", "solution": "", "theorems": ["a" * 1_000_001]}, "theorems: at most 1000000 char"),
        ("prove", {"code": "theorem a : 1 = := by sorry"}, "1:15: error: unexpected token"),
        ("prove", {"code": "def x := 1"}, "no theorem"),
        ("prove", {"code": "import Nowhere\n" + EASY}, "Nowhere"),
        ("prove", {"statement": "True", "header": "nonsense"}, "error"),
        ("prove", {"code": "#eval (Array.replicate 1000000000 0).size"}, "memory limit"),
        ("check", {"challenge": CHALLENGE}, "solution: Field required"),
        ("check", {"challenge": "theorem c : 1 = := by sorry", "solution": ""}, "1:15: error: unexpected token"),
        ("check", {"challenge": "", "solution": ""}, "declares no theorem"),
        ("check", {"challenge": CHALLENGE, "solution": CHALLENGE, "seconds": 1e9}, "seconds: at most 300 here"),
    ],
)
async def test_a_wrong_request_is_told_what_is_wrong(
    http: httpx.AsyncClient, path: str, body: dict[str, Any] | str | bytes, says: str
) -> None:
    content = json.dumps(body) if isinstance(body, dict) else body
    answer = await http.post(f"/v1/{path}", content=content, headers={"Content-Type": "application/json"})
    assert says in trouble(answer, 422)


async def test_errors_of_lean_come_one_by_one(http: httpx.AsyncClient) -> None:
    lines = [f"def a{i} : Nat := x{i}" for i in range(150)]
    answer = await http.post("/v1/prove", json={"code": "\n".join([*lines, EASY])})
    assert "Lean reports errors" in trouble(answer, 422)
    messages = answer.json()["error"]["messages"]
    assert [m.split(": ")[:2] for m in messages[:3]] == [["1:16", "error"], ["2:16", "error"], ["3:16", "error"]]
    assert (len(messages), messages[-1]) == (101, "… and 50 more")


async def test_a_file_that_runs_forever_is_given_up(pool: LeanPool) -> None:
    endless = f"{EASY}\npartial def loop (n : Nat) : Nat := loop (n + 1)\n#eval loop 0"
    async with client(pool, limits=APILimits(seconds=1)) as http:
        start = time.monotonic()
        assert "it could not be read within 1 s" in trouble(await http.post("/v1/prove", json={"code": endless}), 422)
        assert time.monotonic() - start < 10
        body = {"challenge": endless, "solution": ""}
        assert "could not be read within 1 s" in trouble(await http.post("/v1/check", json=body), 422)
        ready = {"challenge": CHALLENGE, "solution": "", "theorems": ["c"]}  # to be read in no second
        assert (await http.post("/v1/check", json=ready)).json()["theorems"][0]["reason"] == "missing"


async def test_paths_and_methods_that_are_none_are_refused_in_the_same_shape(http: httpx.AsyncClient) -> None:
    trouble(await http.get("/nowhere"), 404)
    answer = await http.get("/v1/prove")
    trouble(answer, 405)
    assert answer.headers["Allow"] == "POST"


# ---- who and what is let in ----


async def test_a_token_opens_what_is_not_open(pool: LeanPool) -> None:
    async with client(pool, token="clef") as http:
        body = {"challenge": CHALLENGE, "solution": ""}
        for wrong in ({}, {"Authorization": "Bearer cle"}, {"Authorization": "Basic clef"}, {"Authorization": "clef"}):
            for answer in (
                await http.post("/v1/check", json=body, headers=wrong),
                await http.get("/metrics", headers=wrong),
                await http.get("/nowhere", headers=wrong),
            ):
                trouble(answer, 401)
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        for right in ({"Authorization": "Bearer clef"}, {"Authorization": "bearer  clef"}):
            assert (await http.post("/v1/check", json=body, headers=right)).status_code == 200
            assert (await http.get("/metrics", headers=right)).status_code == 200
        for path in ("/health", "/docs", "/docs/swagger-ui.css", "/openapi.json"):
            assert (await http.get(path)).status_code == 200
    for empty in ("", " \n"):
        with pytest.raises(ValueError, match="empty token"):
            create_app(pool, TacticsPolicy(), token=empty)


@pytest.mark.parametrize("media", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
async def test_only_json_is_read(http: httpx.AsyncClient, media: str | None) -> None:
    headers = {} if media is None else {"Content-Type": media}
    answer = await http.post("/v1/prove", content=b'{"statement": "True"}', headers=headers)
    assert "must be JSON" in trouble(answer, 415)


async def test_a_body_is_read_up_to_its_limit(pool: LeanPool) -> None:
    async with client(pool, limits=APILimits(body_bytes=1000)) as http:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        body = json.dumps({"challenge": CHALLENGE, "solution": ""}).encode()

        async def chunks(content: bytes) -> AsyncIterator[bytes]:
            for at in range(0, len(content), 100):
                yield content[at : at + 100]

        for size, status in ((1000, 200), (1001, 413), (100_000, 413)):
            content = body.ljust(size)
            for sent in (content, chunks(content)):
                answer = await http.post("/v1/check", content=sent, headers=headers)
                assert answer.status_code == status
                assert status == 200 or "at most 1000 bytes" in trouble(answer, 413)


async def test_a_body_that_is_too_large_is_refused_before_it_is_sent(pool: LeanPool) -> None:
    async with client(pool, limits=APILimits(body_bytes=1000)) as http:
        reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        writer.write(b"POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: 999999\r\n\r\n")
        assert (await asyncio.wait_for(reader.readline(), 5)).split()[1] == b"413"
        writer.close()


# ---- too much at once, and clients that go away ----

LONG = {"statement": f"theorem hard : {HARD}", "search": "sampling", "seconds": 100}
SHORT = {"challenge": CHALLENGE, "solution": "theorem c (n : Nat) : n + 0 = n := rfl"}


async def test_a_client_that_leaves_ends_its_search_and_the_next_in_line_has_its_turn(pool: LeanPool) -> None:
    async with client(pool, Scripted(forever, stepwise=False), APILimits(running=1, waiting=1)) as http:
        first = asyncio.create_task(http.post("/v1/prove", json=LONG))
        await until_metric(http, "prover_requests_running{}", 1)
        second = asyncio.create_task(http.post("/v1/check", json=SHORT))
        await until_metric(http, "prover_requests_waiting{}", 1)

        start = time.monotonic()
        third = await http.post("/v1/check", json=SHORT, timeout=10)
        assert "too many requests" in trouble(third, 503)
        assert int(third.headers["Retry-After"]) > 0
        assert time.monotonic() - start < 1  # at once
        assert not first.done()
        assert not second.done()

        first.cancel()
        answer = await asyncio.wait_for(second, 15)
        assert answer.json()["theorems"][0]["proved"]
        counted = await numbers(http)
        assert (counted["prover_requests_running{}"], counted["prover_requests_waiting{}"]) == (0, 0)
        assert counted["prover_requests_total{/v1/prove,499}"] == 1
        assert counted["prover_requests_total{/v1/check,503}"] == 1


async def test_the_workers_of_a_client_that_left_are_free_at_once(pool: LeanPool) -> None:
    statement = "theorem c : ∀ a b c : Fin 400, a.val + b.val + c.val < 5000"  # more than a minute of the kernel's time
    long = {"challenge": f"{statement} := sorry", "solution": f"{statement} := by decide +kernel", "seconds": 100}
    async with client(pool) as http:
        await http.post("/v1/check", json=SHORT)
        left = asyncio.create_task(http.post("/v1/check", json=long))
        await until_metric(http, "prover_requests_running{}", 1)
        await asyncio.sleep(1)  # by now the only worker runs the tactics that do not end
        assert not left.done()
        left.cancel()
        start = time.monotonic()
        answer = await http.post("/v1/check", json=SHORT, timeout=30)
        assert answer.json()["theorems"][0]["proved"]
        assert time.monotonic() - start < 15  # a new Lean process is in it


async def test_a_client_that_leaves_while_it_waits_leaves_its_place(pool: LeanPool) -> None:
    async with client(pool, Scripted(forever, stepwise=False), APILimits(running=1, waiting=1)) as http:
        first = asyncio.create_task(http.post("/v1/prove", json=LONG))
        await until_metric(http, "prover_requests_running{}", 1)
        for _ in range(3):
            waiting = asyncio.create_task(http.post("/v1/prove", json=LONG))
            await until_metric(http, "prover_requests_waiting{}", 1)
            waiting.cancel()
            await until_metric(http, "prover_requests_waiting{}", 0)
        first.cancel()
        await until_metric(http, "prover_requests_running{}", 0)


async def test_many_requests_at_once_all_get_their_own_answer(http: httpx.AsyncClient) -> None:
    sums = [(n, n + n % 3 // 2) for n in range(30)]
    bodies = [
        {"challenge": f"theorem t{n} : {n} + 0 = {m} := by sorry", "solution": f"theorem t{n} : {n} + 0 = {m} := rfl"}
        for n, m in sums
    ]
    answers = await asyncio.gather(*(http.post("/v1/check", json=body) for body in bodies))
    rows = [a.json()["theorems"][0] for a in answers]
    assert [(r["theorem"], r["proved"]) for r in rows] == [(f"t{n}", n == m) for n, m in sums]


# ---- looking at it ----


async def test_health_says_what_is_there(http: httpx.AsyncClient, pool: LeanPool) -> None:
    assert pool.lean is not None
    assert (await http.get("/health")).json() == {"status": "ok", "lean": pool.lean.version, "policy": "tactics"}


async def test_what_happens_is_counted(pool: LeanPool) -> None:
    async with client(pool) as http:
        await http.post("/v1/prove", json={"code": EASY})
        await http.post("/v1/check", json={"challenge": EASY, "solution": EASY})
        await http.post("/v1/check", json={})
        await http.get("/made/up")
        counted = await numbers(http)
    assert counted["prover_requests_total{/v1/prove,200}"] == 1
    assert counted["prover_requests_total{/v1/check,200}"] == 1
    assert counted["prover_requests_total{/v1/check,422}"] == 1
    assert counted["prover_requests_total{other,404}"] == 1
    assert counted["prover_proofs_found_total{}"] == 1
    assert counted["prover_verdicts_total{proved}"] == 2  # one was found, one was there
    assert counted["prover_verdicts_total{sorry}"] == 1
    assert counted["prover_request_seconds_count{/v1/check}"] == 2


async def test_the_examples_of_the_schema_work(http: httpx.AsyncClient) -> None:
    schema = (await http.get("/openapi.json")).json()
    for path, model in (("/v1/prove", "ProveRequest"), ("/v1/check", "CheckRequest")):
        examples = schema["components"]["schemas"][model]["examples"]
        assert examples
        for example in examples:
            answer = await http.post(path, json=example)
            assert answer.status_code == 200, answer.text
            assert all(r["reason"] == "proved" for r in answer.json()["theorems"])
    assert "Swagger" in (await http.get("/docs")).text


@pytest.mark.parametrize("token", [None, "clef"])
async def test_every_refusal_has_the_documented_shape(pool: LeanPool, token: str | None) -> None:
    paths = create_app(pool, TacticsPolicy(), token=token).openapi()["paths"]
    for path in ("/v1/prove", "/v1/check"):
        responses = paths[path]["post"]["responses"]
        assert {"408", "413", "415", "422", "500", "503"} <= set(responses)
        assert (
            ("401" in responses)
            == ("421" not in responses)
            == (token is not None)
            == ("security" in paths[path]["post"])
        )
        for status, response in responses.items():
            if status != "200":
                assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Failure"}


# ---- what should not happen ----


async def test_an_unforeseen_error_is_logged_under_the_id_that_the_client_gets(
    pool: LeanPool, caplog: pytest.LogCaptureFixture
) -> None:
    async with client(pool, failing(RuntimeError("secret"))) as http:
        with caplog.at_level(logging.ERROR, "prover.api"):
            answer = await http.post("/v1/prove", json=LONG)
        said = trouble(answer, 500)
        assert "secret" not in said
        assert said.split()[-1] in caplog.text
        assert "RuntimeError: secret" in caplog.text
        assert (await numbers(http))["prover_requests_total{/v1/prove,500}"] == 1
        assert (await http.post("/v1/check", json=SHORT)).status_code == 200


async def test_a_model_that_cannot_be_reached_is_said_to_be_so(pool: LeanPool) -> None:
    async with client(
        pool, failing(PolicyUnavailable("x:8000 says \ud800"))
    ) as http:  # and what it says need not be text
        assert "x:8000 says \\ud800" in trouble(await http.post("/v1/prove", json=LONG), 502)


async def test_a_pool_that_was_closed_is_a_server_that_shuts_down() -> None:
    pool = LeanPool(workers=1)
    await pool.close()
    async with client(pool) as http:
        assert "shutting down" in trouble(await http.post("/v1/check", json=SHORT), 503)
