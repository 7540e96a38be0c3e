"""`prover data` as a user meets it: real processes, and a real server where one is needed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data.benchmarks import CATALOGUE, Benchmark
from tests.commands import prover_here

HEADER = "import Lean\nopen Nat\n\n"
ROWS = [
    {
        "name": "mathd_algebra_1",
        "split": "valid",
        "header": HEADER,
        "informal_prefix": "/-- One [b]and[/b] one. -/\n",
        "formal_statement": "theorem mathd_algebra_1 : 1 + 1 = 2 := by\n",
    },
    {"name": "imo_1", "split": "test", "header": HEADER, "formal_statement": "theorem imo_1 (n : Nat) : n = n := by\n"},
]


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    file = tmp_path / "site" / "tiny.jsonl"
    file.parent.mkdir()
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


@pytest.fixture
def tiny(problems: Path) -> Iterator[Benchmark]:
    """A benchmark of ours on a server of ours."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(problems.parent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield Benchmark(
        name="tiny",
        title="Ours",
        home="https://example.org/tiny",
        revision="0123456789abcdef0123456789abcdef01234567",
        licence="Apache-2.0",
        written_for="Lean 4",
        url=f"http://127.0.0.1:{server.server_port}/tiny.jsonl",
        sha256=hashlib.sha256(problems.read_bytes()).hexdigest(),
        problems={"valid": 1, "test": 1},
    )
    server.shutdown()
    thread.join()
    server.server_close()


def prover(home: Path, *args: str, extra: Benchmark | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The command, with no network but this machine's own; `extra` is added to the catalogue."""
    code = "import sys\nfrom data.benchmarks import CATALOGUE, Benchmark\nfrom prover.cli import main\n"
    if extra is not None:
        code += f"CATALOGUE[{extra.name!r}] = {extra!r}\n"
    proxies = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1", "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-c", code + "main()", *args],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **proxies, "PROVER_HOME": str(home)},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_list_fetch_and_show(tmp_path: Path, tiny: Benchmark) -> None:
    before = prover(tmp_path, "data", "list", extra=tiny)
    assert before.returncode == 0
    lines = {line.split()[0]: line for line in before.stdout.splitlines() if line}
    assert set(CATALOGUE) < set(lines)
    assert "244 valid, 244 test" in lines["minif2f"]
    assert lines["tiny"].split()[-1] == "no"
    fetched = prover(tmp_path, "data", "fetch", "tiny", extra=tiny)
    assert fetched.returncode == 0, fetched.stderr
    path = Path(fetched.stdout.removeprefix("tiny: ").strip())
    assert path.read_bytes() == (tmp_path / "site" / "tiny.jsonl").read_bytes()
    after = prover(tmp_path, "data", "list", extra=tiny)
    assert any(line.split()[0] == "tiny" and line.split()[-1] == "yes" for line in after.stdout.splitlines() if line)
    shown = prover(tmp_path, "data", "show", "tiny", extra=tiny)
    assert shown.stdout.splitlines() == ["mathd_algebra_1  valid  mathd, algebra", "imo_1            test   imo"]


def test_show_tells_a_problem_as_a_lean_file(tmp_path: Path, problems: Path) -> None:
    done = prover(tmp_path, "data", "show", str(problems), "mathd_algebra_1")
    assert done.stdout.strip() == (
        f"{HEADER}-- mathd_algebra_1; valid; mathd; algebra\n"
        "/-- One [b]and[/b] one. -/\ntheorem mathd_algebra_1 : 1 + 1 = 2 := by\n  sorry"
    )


def test_show_for_machines(tmp_path: Path, problems: Path) -> None:
    short = prover(tmp_path, "data", "show", str(problems), "--split", "test", "--json")
    assert [json.loads(line) for line in short.stdout.splitlines()] == [
        {"name": "imo_1", "split": "test", "tags": ["imo"]}
    ]
    full = json.loads(prover(tmp_path, "data", "show", str(problems), "imo_1", "--json").stdout)
    assert (full["statement"], full["header"], full["informal"]) == ("theorem imo_1 (n : Nat) : n = n", HEADER, "")


def test_show_names_what_cannot_be_read(tmp_path: Path, problems: Path) -> None:
    with problems.open("a") as file:
        file.write('{"name": "cut", "formal_statement": "theorem cut : let x := sorry"}\n')
    done = prover(tmp_path, "data", "show", str(problems))
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    assert "1 problems cannot be read" in done.stderr
    assert "tiny.jsonl:3" in done.stderr


def test_without_a_network_it_says_what_to_do(tmp_path: Path) -> None:
    done = prover(tmp_path, "data", "fetch", "--all")
    assert done.returncode == 3
    for benchmark in CATALOGUE.values():
        assert benchmark.url in done.stderr
        assert f"prover data fetch {benchmark.name} --from PATH" in done.stderr


def test_a_copy_from_elsewhere_is_taken_if_it_is_right(tmp_path: Path, problems: Path, tiny: Benchmark) -> None:
    away = Benchmark(**{**vars(tiny), "url": "http://nowhere.invalid/tiny.jsonl"})
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_bytes(problems.read_bytes().replace(b"1 + 1 = 2", b"1 + 1 = 3"))
    refused = prover(tmp_path, "data", "fetch", "tiny", "--from", str(wrong), extra=away)
    assert refused.returncode == 2
    assert tiny.sha256 in refused.stderr
    assert hashlib.sha256(wrong.read_bytes()).hexdigest() in refused.stderr
    assert prover(tmp_path, "data", "show", "tiny", extra=away).returncode == 2
    assert prover(tmp_path, "data", "fetch", "tiny", "--from", str(problems), extra=away).returncode == 0
    assert prover(tmp_path, "data", "show", "tiny", extra=away).returncode == 0


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["fetch"], "name the benchmarks to fetch, or give --all"),
        (["fetch", "minif2f", "--all"], "name the benchmarks to fetch, or give --all"),
        (["fetch", "--all", "--from", "x"], "--from is for one benchmark"),
        (["fetch", "minif2f", "--from", "/nowhere/x"], "there is no /nowhere/x"),
        (["fetch", "minif3f"], "no benchmark called 'minif3f'. Did you mean minif2f"),
        (["show", "minif2f"], "Run `prover data fetch minif2f`"),
        (["show", "nowhere.jsonl"], "no file and no benchmark called 'nowhere.jsonl'"),
        (["show", "FILE", "mathd_algebra_2"], "no problem is called mathd_algebra_2; did you mean mathd_algebra_1?"),
        (["show", "FILE", "imo_1", "--split", "valid"], "no problem is called imo_1"),
        (["show", "FILE", "--split", "x"], "no split is called 'x'; there are: test, valid"),
        (["show", "EMPTY"], "no problem in it can be read"),
        (["show", "FOLDER"], "it has no Lean files"),
    ],
)
def test_bad_input_is_told_so(
    tmp_path: Path, problems: Path, args: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVER_HOME", str(tmp_path / "home"))
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    places = {"FILE": str(problems), "EMPTY": str(empty), "FOLDER": str(problems.parent)}
    done = prover_here("data", *(places.get(arg, arg) for arg in args))
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert says in " ".join(done.stderr.split())
