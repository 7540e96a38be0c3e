"""`prover serve`: which flags a checkpoint gets, and the API as a command. (A real vLLM: tests/vllm.)"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest
from typer.testing import CliRunner

from lean_env.console import CommandError, Exit
from prover.cli import app
from prover.serving import weights
from prover.serving.model import Machine, Model
from search.cli.serve import _limits
from tests.commands import prover_here

H100 = 80 << 30
DENSE = Model("dense-7b", {"num_attention_heads": 32, "num_hidden_layers": 30}, weights=14 << 30)
V3 = {"num_attention_heads": 128, "num_hidden_layers": 61, "n_routed_experts": 256, "num_nextn_predict_layers": 1}


def flag(flags: list[str], name: str) -> str | None:
    return flags[flags.index(name) + 1] if name in flags else None


@pytest.mark.parametrize(
    ("weights", "gpus", "tensor", "data"),
    [(14 << 30, 1, "1", "1"), (14 << 30, 8, "1", "8"), (140 << 30, 8, "4", "2"), (900 << 30, 8, "8", "1")],
)
def test_a_dense_model_is_split_only_as_far_as_it_must_be(weights: int, gpus: int, tensor: str, data: str) -> None:
    flags = Model(DENSE.name, DENSE.config, weights).flags(Machine(gpus, H100))
    assert (flag(flags, "--tensor-parallel-size"), flag(flags, "--data-parallel-size")) == (tensor, data)
    assert "--enable-expert-parallel" not in flags


def test_heads_are_shared_evenly() -> None:
    flags = Model("odd", {"num_attention_heads": 12}, 900 << 30).flags(Machine(8, H100))
    assert (flag(flags, "--tensor-parallel-size"), flag(flags, "--data-parallel-size")) == ("4", "2")


def test_experts_are_spread_and_the_module_that_predicts_ahead_is_used_if_it_is_there() -> None:
    without = Model("v3", V3, 700 << 30, frozenset({"model.layers.60.mlp.gate.weight"}))
    with_it = Model("v3", V3, 700 << 30, frozenset({"model.layers.61.eh_proj.weight"}))
    machine = Machine(8, 140 << 30)
    assert "--enable-expert-parallel" in without.flags(machine)
    assert flag(without.flags(machine), "--speculative-config") is None
    assert json.loads(flag(with_it.flags(machine), "--speculative-config") or "") == {
        "method": "mtp",
        "num_speculative_tokens": 1,
    }


def test_the_context_is_what_was_asked_or_what_fits() -> None:
    assert flag(DENSE.flags(Machine(1, H100)), "--max-model-len") == "auto"
    assert flag(DENSE.flags(Machine(1, H100), 8192), "--max-model-len") == "8192"


def test_a_cpu_gets_what_works_there() -> None:
    mla = Model("v3", V3 | {"kv_lora_rank": 32, "qk_rope_head_dim": 32})
    assert flag(DENSE.flags(Machine()), "--dtype") == "float32"
    assert "VLLM_MLA_DISABLE" not in DENSE.environment(Machine())
    assert mla.environment(Machine())["VLLM_MLA_DISABLE"] == "1"
    assert flag(mla.flags(Machine()), "--compilation-config") == '{"custom_ops": ["none"]}'


# ---- the command ----


@contextmanager
def serving(
    *options: str, stderr: IO[str] | None = None, files: int | None = None, **environment: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A running `prover serve`, and the address that it prints. files: its limit of open files."""
    command = [sys.executable, "-m", "prover", "serve", *options]
    if files is not None:
        command = ["bash", "-c", f'ulimit -n {files} && exec "$@"', "bash", *command]
    environment = {**os.environ, **environment}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.wait()


def test_the_api_proves_and_stops_cleanly() -> None:
    """At Ctrl-C; at SIGTERM: the tests below."""
    with serving("--api", "--port", "0", "--workers", "1", PROVER_API_KEY="secret\n") as (address, process):
        key = {"Authorization": "Bearer secret"}
        body = {"statement": "∀ a b : Nat, a + b = b + a"}
        answer = httpx.post(f"{address}/v1/prove", json=body, headers=key, timeout=100).json()
        assert [row["status"] for row in answer["theorems"]] == ["proved"]
        assert httpx.post(f"{address}/v1/prove", json=body).status_code == 401
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_a_request_under_way_is_answered_before_the_api_ends() -> None:
    with serving("--api", "--port", "0", "--workers", "1") as (address, process):
        body = {"challenge": "theorem c : 1 = 1 := by sorry", "solution": "theorem c : 1 = 1 := by sleep 2000; rfl"}
        with httpx.stream("POST", f"{address}/v1/check", json=body, timeout=100) as answer:
            process.send_signal(signal.SIGTERM)
            answer.read()
            assert answer.json()["theorems"][0]["reason"] == "proved"
        assert process.wait(20) == 0


def test_at_the_end_a_request_that_takes_too_long_is_told_so(tmp_path: Path) -> None:
    limits = tmp_path / "api.yaml"
    limits.write_text("limits:\n  running: 1\n  waiting: 1\n")
    log = tmp_path / "log"
    options = ("--api", "--port", "0", "--workers", "1", "--config", str(limits))
    hard = {"statement": "∀ a b c : Nat, a > 2 → a^7 + (b+1)^7 ≠ (c+1)^7", "seconds": 100}

    def prove(address: str) -> tuple[httpx.Response, float]:
        return httpx.post(f"{address}/v1/prove", json=hard, timeout=60), time.monotonic()

    with (
        log.open("w") as stderr,
        serving(*options, stderr=stderr) as (address, process),
        ThreadPoolExecutor() as others,
    ):
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as slow:
            head = "POST /v1/prove HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            slow.sendall(f"{head}Content-Length: 9\r\n\r\n".encode())
            asked = [others.submit(prove, address) for _ in range(2)]
            while "prover_requests_waiting 1.0" not in httpx.get(f"{address}/metrics").text:
                time.sleep(0.1)
            third = httpx.post(f"{address}/v1/prove", json=hard)
            assert third.status_code == 503
            assert "at most 1 requests are worked on at a time, and 1 wait" in third.text
            end = time.monotonic()
            process.send_signal(signal.SIGTERM)
            answers = sorted((future.result() for future in asked), key=lambda answered: answered[1])
            assert process.wait(20) == 0
            assert slow.recv(10_000).startswith(b"HTTP/1.1 503")
    assert answers[0][1] - end < 3 < answers[1][1] - end < 8  # one waited; one was under way
    for answer, _ in answers:
        assert (answer.status_code, answer.json()["error"]["message"]) == (503, "the server is shutting down")
        assert int(answer.headers["Retry-After"]) > 0
    assert "Traceback" not in log.read_text()


def test_clients_that_send_nothing_neither_keep_others_out_nor_fill_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    options = ("--api", "--port", "0", "--workers", "1")
    with log.open("w") as stderr, serving(*options, stderr=stderr, files=100, PROVER_API_KEY="secret") as (address, _):
        place = ("127.0.0.1", int(address.rpartition(":")[2]))
        with ExitStack() as hanging:
            for n in range(120):
                connection = hanging.enter_context(socket.create_connection(place, timeout=10))
                body = "Content-Length: 9\r\n\r\n" if n % 2 else ""
                connection.sendall(f"POST /v1/check HTTP/1.1\r\nHost: x\r\n{body}".encode())
            for _ in range(10):
                start = time.monotonic()
                headers = {"Authorization": "Bearer secret"}
                assert httpx.get(f"{address}/metrics", headers=headers, timeout=10).status_code == 200
                assert time.monotonic() - start < 1.5
            body = {"challenge": "theorem c : 1 = 1 := by sorry", "solution": "theorem c : 1 = 1 := rfl"}
            answer = httpx.post(f"{address}/v1/check", json=body, headers=headers, timeout=60)
            assert answer.json()["theorems"][0]["proved"]
    said = log.read_text()
    assert "for the limit of open files" in said
    assert len(said.splitlines()) < 6, said


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 2, "give a MODEL, or --api"),
        (["--api", "--", "--tensor-parallel-size", "2"], 2, "need a MODEL"),
        (["model", "--policy", "openai"], 2, "do not fit"),
        (["--api", "--policy", "openai"], 2, "needs --base-url"),
        (["--api", "--policy", "vllm"], 2, "argument"),
        (["--api", "--policy", "openai", "--base-url", "http://127.0.0.1:9/v1"], 3, "127.0.0.1:9"),
        (["model"], 3, "vLLM is not installed"),
        (["--api", "--port", "70000"], 2, "65535"),
        (["--api", "--workers", "0"], 2, "workers"),
        (["--api", "--host", "0.0.0.0", "--port", "0"], 2, "others than this machine can reach 0.0.0.0: set PROVER_"),
        (["--api", "--token", ""], 2, "the token is empty"),
        (["model", "--token", "secret"], 2, "for --api"),
        (["--api", "--host", "no.such.host.invalid"], 3, "cannot listen on no.such.host.invalid"),
        (["--api", "--config", "no such file"], 2, "no such file: No such file"),
    ],
)
def test_what_does_not_work_is_said(options: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    done = prover_here("serve", *options)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


@pytest.mark.parametrize("empty", ["", " \n"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_an_empty_token_in_the_environment_is_not_no_token(empty: str, host: str) -> None:
    done = CliRunner().invoke(app, ["serve", "--api", "--host", host], env={"PROVER_API_KEY": empty})
    assert isinstance(done.exception, CommandError)
    assert "the token is empty" in str(done.exception)
    assert done.exception.code == Exit.INPUT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("limits:\n  runing: 3\n", "limits.runing: there is no such field; do you mean limits.running?"),
        ("limit:\n  running: 3\n", "limit: there is no such field; do you mean limits?"),
        ("limits:\n  running: 0\n", "limits.running: Input should be greater than or equal to 1"),
        ("limits:\n  seconds: .inf\n", "limits.seconds: Input should be a finite number"),
        ("limits:\n  running: '3'\n", "limits.running: Input should be a valid integer"),
        ("limits:\n  request_seconds: 1\n", "request_seconds must not be less than seconds"),
        ("limits: [\n", "not YAML"),
        ("", "no fields"),
    ],
)
def test_a_wrong_configuration_is_told_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "api.yaml"
    path.write_text(text)
    with pytest.raises(CommandError, match=re.escape(said)) as stopped:
        _limits(path)
    assert stopped.value.code == Exit.INPUT


def test_an_address_that_others_reach_is_served_with_a_token() -> None:
    with serving("--api", "--port", "0", "--host", "0.0.0.0", PROVER_API_KEY="secret") as (
        address,
        _,
    ):
        port = address.rpartition(":")[2]
        assert httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 401
        headers = {"Authorization": "Bearer secret", "Host": "prover.example"}
        assert httpx.get(f"http://127.0.0.1:{port}/metrics", headers=headers).status_code == 200


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "prover", "serve", "--api", "--port", port],
            capture_output=True,
            text=True,
            timeout=100,
        )
    assert done.returncode == 3
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


HELD = """
import sys, time
from pathlib import Path
from prover.serving.weights import _folder
with _folder(Path(sys.argv[1])) as folder:
    (folder / "00000.safetensors").write_bytes(b"weights")
    print(folder, flush=True)
    time.sleep(60)
"""


def test_weights_that_a_killed_process_has_left_are_deleted(tmp_path: Path) -> None:
    """In memory, they would stay until the machine is started again. Those of one that lives stay."""
    dead, alive = (
        subprocess.Popen([sys.executable, "-c", HELD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    )
    left, used = (Path(process.stdout.readline().strip()) for process in (dead, alive) if process.stdout)
    dead.kill()
    dead.wait()
    assert left.exists()
    with weights._folder(tmp_path) as new:
        assert sorted(tmp_path.iterdir()) == sorted([used, new])
        assert (used / "00000.safetensors").exists()
    alive.kill()
    alive.wait()
