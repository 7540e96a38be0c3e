"""`prover serve`: which flags a checkpoint gets, and the API as a command. (A real vLLM: tests/vllm.)"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from prover.serving import weights
from prover.serving.model import Machine, Model

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
def serving(*options: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A running `prover serve`, and the address that it prints."""
    command = [sys.executable, "-m", "prover", "serve", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_api_proves_and_stops_cleanly(how: signal.Signals) -> None:
    with serving("--api", "--port", "0", "--workers", "1", PROVER_API_KEY="secret\n") as (address, process):
        key = {"Authorization": "Bearer secret"}
        body = {"statement": "∀ a b : Nat, a + b = b + a"}
        answer = httpx.post(f"{address}/v1/prove", json=body, headers=key, timeout=100).json()
        assert [row["status"] for row in answer["theorems"]] == ["proved"]
        assert httpx.post(f"{address}/v1/prove", json=body).status_code == 401
        process.send_signal(how)
        assert process.wait(20) == 0


def test_a_request_under_way_is_answered_before_the_api_ends() -> None:
    with serving("--api", "--port", "0", "--workers", "1") as (address, process):
        body = {"challenge": "theorem c : 1 = 1 := by sorry", "solution": "theorem c : 1 = 1 := by sleep 2000; rfl"}
        with httpx.stream("POST", f"{address}/v1/check", json=body, timeout=100) as answer:
            process.send_signal(signal.SIGTERM)
            answer.read()
            assert answer.json()["theorems"][0]["reason"] == "proved"
        assert process.wait(20) == 0


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
    ],
)
def test_what_does_not_work_is_said(options: list[str], code: int, said: str) -> None:
    command = [sys.executable, "-m", "prover", "serve", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env={**os.environ, "COLUMNS": "300"})
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr


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
