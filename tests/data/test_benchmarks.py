"""Fetching benchmarks, from a real server on this machine. The problems here are ours."""

from __future__ import annotations

import hashlib
import io
import random
import re
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data import problems
from data.benchmarks import (
    CATALOGUE,
    Benchmark,
    BenchmarkMissing,
    FetchError,
    benchmark_path,
    benchmarks_dir,
    checksum,
    fetch,
    find,
)

ROWS = b"".join(
    b'{"name": "p%d", "split": "valid", "formal_statement": "theorem p%d : %d = %d := by sorry"}\n' % (n, n, n, n)
    for n in range(300)
)
LEAN = {
    "MiniF2F/Valid/amc_1.lean": b"theorem amc_1 : 1 = 1 := by sorry\n",
    "MiniF2F/Test/b.lean": b"theorem b : 2 = 2 := by sorry\n",
}
OTHERS = {
    "MiniF2F/Valid.lean": b"import MiniF2F.Valid.amc_1\n",
    "MiniF2F/Valid/deep/c.lean": b"theorem c : 3 = 3 := by sorry\n",
    "lakefile.lean": b"import Lake\n",
}
ONE = Benchmark(
    name="one",
    title="Ours",
    home="https://example.org/one",
    revision="0123456789abcdef0123456789abcdef01234567",
    licence="Apache-2.0",
    written_for="Lean 4",
    url="",
    sha256=hashlib.sha256(ROWS).hexdigest(),
    problems={"valid": 300},
)
MANY = replace(
    ONE,
    name="many",
    sha256=hashlib.sha256(
        "".join(f"{hashlib.sha256(LEAN[path]).hexdigest()}  {path}\n" for path in sorted(LEAN)).encode()
    ).hexdigest(),
    problems={"valid": 1, "test": 1},
    folders=("MiniF2F/Valid", "MiniF2F/Test"),
)


def tarball(files: dict[str, bytes]) -> bytes:
    with io.BytesIO() as content:
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for path, data in files.items():
                member = tarfile.TarInfo(f"many-0123/{path}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return content.getvalue()


class Server:
    """Answers every request with what `answer` does to the handler; remembers the paths that were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Callable[[BaseHTTPRequestHandler, int], None] = sends(ROWS)
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append(self.path)
                owner.answer(self, len(owner.asked))

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


def sends(content: bytes, status: int = 200, pause: float = 0.0) -> Callable[[BaseHTTPRequestHandler, int], None]:
    """The content in ten pieces, with pauses between them."""

    def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        step = len(content) // 10 + 1
        try:
            for start in range(0, len(content), step):
                handler.wfile.write(content[start : start + step])
                time.sleep(pause)
        except ConnectionError:  # the other side was killed
            pass

    return answer


def breaks_off(handler: BaseHTTPRequestHandler, turn: int) -> None:
    """The whole file, but only half of it the first time."""
    if turn > 1:
        return sends(ROWS)(handler, turn)
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(ROWS)))
    handler.end_headers()
    handler.wfile.write(ROWS[: len(ROWS) // 2])


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVER_HOME", str(tmp_path / "home"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def one(server: Server) -> Benchmark:
    return replace(ONE, url=f"{server.url}/files/one.jsonl")


def many(server: Server) -> Benchmark:
    return replace(MANY, url=f"{server.url}/archive/0123.tar.gz")


def on_the_shelf() -> set[str]:
    return {path.name for path in benchmarks_dir().iterdir()} - {"fetch.lock"}


@pytest.mark.parametrize("benchmark", CATALOGUE.values(), ids=CATALOGUE)
def test_every_entry_of_the_catalogue_is_well_formed(benchmark: Benchmark) -> None:
    assert CATALOGUE[benchmark.name] is benchmark
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", benchmark.name)
    assert re.fullmatch(r"[0-9a-f]{40}", benchmark.revision)
    assert benchmark.revision in benchmark.url
    assert benchmark.url.endswith(".tar.gz" if benchmark.folders else ".jsonl")
    assert benchmark.home.startswith("https://")
    assert benchmark.url.startswith("https://")
    assert re.fullmatch(r"[0-9a-f]{64}", benchmark.sha256) or "no checksum" in benchmark.note
    assert benchmark.problems
    assert all(count > 0 for count in benchmark.problems.values())
    assert benchmark.title
    assert benchmark.licence
    assert benchmark.written_for
    assert not any(folder.startswith("/") or ".." in folder for folder in benchmark.folders)


def test_one_file_is_fetched_once(server: Server) -> None:
    benchmark = one(server)
    stages: list[tuple[str, float]] = []
    assert find(benchmark) is None
    path = fetch(benchmark, progress=lambda stage, fraction: stages.append((stage, fraction)))
    assert path.read_bytes() == ROWS
    assert len(list(problems.read(path))) == 300
    assert stages[0] == ("download", 0.0)
    assert ("download", 1.0) in stages
    assert fetch(benchmark) == find(benchmark) == path
    assert server.asked == ["/files/one.jsonl"]
    assert benchmark_path("one", {"one": benchmark}) == path
    assert on_the_shelf() == {"one-0123456789ab"}


def test_of_an_archive_only_the_problems_are_taken(server: Server) -> None:
    server.answer = sends(tarball(LEAN | OTHERS))
    benchmark = many(server)
    root = fetch(benchmark)
    assert {p.relative_to(root).as_posix() for p in root.rglob("*.lean")} == set(LEAN)
    read = [(p.name, p.split, p.tags) for p in problems.read(root)]
    assert read == [("b", "test", ()), ("amc_1", "valid", ("amc",))]
    server.answer = sends(tarball(LEAN))  # other bytes, same content
    assert checksum(benchmark, fetch(replace(benchmark, name="again"))) == MANY.sha256


@pytest.mark.parametrize("content", [ROWS[:-1], ROWS + b"\n", b"<html>log in</html>"])
def test_what_is_not_the_benchmark_is_refused_with_both_checksums(server: Server, content: bytes) -> None:
    server.answer = sends(content)
    with pytest.raises(FetchError) as refused:
        fetch(one(server))
    assert ONE.sha256 in str(refused.value)
    assert hashlib.sha256(content).hexdigest() in str(refused.value)
    assert on_the_shelf() == set()


@pytest.mark.parametrize("content", [ROWS + ROWS, b"<html>log in</html>", b"x\n" * 300])
def test_without_a_checksum_the_number_of_problems_must_be_right(server: Server, content: bytes) -> None:
    benchmark = replace(one(server), sha256="")
    server.answer = sends(content)
    with pytest.raises(FetchError, match="expected 300 problems, found"):
        fetch(benchmark)
    server.answer = sends(ROWS)
    path = fetch(benchmark)
    assert find(benchmark) == path
    path.write_bytes(ROWS + ROWS[:10])  # the checksum of the first fetch was recorded
    assert find(benchmark) is None


def test_a_connection_that_breaks_is_tried_again(server: Server) -> None:
    server.answer = breaks_off
    assert fetch(one(server)).read_bytes() == ROWS
    assert len(server.asked) == 2


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (403, 1), (503, 3)])
def test_what_the_server_says_is_told_and_only_what_may_pass_is_asked_again(
    server: Server, status: int, asked: int
) -> None:
    server.answer = sends(b"no", status)
    with pytest.raises(FetchError, match=f"the server answered {status} "):
        fetch(one(server))
    assert len(server.asked) == asked
    assert on_the_shelf() == set()


def test_more_than_any_benchmark_has_is_not_taken(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.benchmarks._LIMIT", len(ROWS) - 1)
    with pytest.raises(FetchError, match="it sends more than"):
        fetch(one(server))
    server.answer = sends(tarball(LEAN | {"big": bytes(len(ROWS))}))
    with pytest.raises(FetchError, match="unpacks to more than"):
        fetch(many(server))


@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:9", "nonsense://x", "socks5://127.0.0.1:9"])
def test_without_a_network_the_address_and_another_way_are_told_within_seconds(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if proxy:
        monkeypatch.setenv("ALL_PROXY", proxy)
    benchmark = replace(ONE, url="http://nowhere.invalid/one.jsonl")
    began = time.monotonic()
    with pytest.raises(FetchError) as failed:
        fetch(benchmark)
    assert time.monotonic() - began < 8
    assert benchmark.url in str(failed.value)
    assert "prover data fetch one --from PATH" in str(failed.value)


def test_a_file_or_folder_fetched_by_other_means_is_checked_alike(tmp_path: Path) -> None:
    file, archive, checkout = tmp_path / "x.jsonl", tmp_path / "a.tgz", tmp_path / "checkout"
    file.write_bytes(ROWS)
    archive.write_bytes(tarball(LEAN | OTHERS))
    for path, data in (LEAN | OTHERS).items():
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / path).write_bytes(data)
    single = replace(ONE, url="http://nowhere.invalid/one.jsonl")
    assert fetch(single, source=file).read_bytes() == ROWS
    for source in (archive, checkout):
        assert checksum(MANY, fetch(MANY, source=source)) == MANY.sha256
    (checkout / "MiniF2F/Test/b.lean").write_bytes(b"theorem b : True := by sorry\n")
    with pytest.raises(FetchError, match=MANY.sha256):
        fetch(MANY, source=checkout)
    assert find(MANY) is not None  # the good copy stays
    for benchmark, source, said in (
        (MANY, file, "is no whole archive of https://example.org/one"),
        (MANY, tmp_path / "home", "has no Lean files in MiniF2F/Valid or MiniF2F/Test"),
        (single, checkout, "is a folder; one is one file, one.jsonl"),
        (single, tmp_path / "none", "there is no"),
    ):
        with pytest.raises(FetchError, match=said):
            fetch(benchmark, source=source)
    assert file.read_bytes() == ROWS


@pytest.mark.parametrize("path", ["../../evil.lean", "MiniF2F/Test/../../../../evil.lean", "../../../../evil"])
def test_an_archive_that_points_outside_is_refused(server: Server, tmp_path: Path, path: str) -> None:
    server.answer = sends(tarball(LEAN | {path: b"theorem evil : True := by sorry\n"}))
    with pytest.raises(FetchError, match="leads outside"):
        fetch(many(server))
    assert not list(tmp_path.rglob("evil*"))
    assert on_the_shelf() == set()


def test_a_link_in_an_archive_is_not_followed(server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "secret.lean"
    secret.write_text("theorem secret : True := by sorry\n")
    with io.BytesIO(), tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo("many-0123/MiniF2F/Test/b.lean")
        member.type, member.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(member)
    with pytest.raises(FetchError):
        fetch(MANY, source=tmp_path / "a.tar")
    assert on_the_shelf() == set()


def test_files_changed_later_are_noticed_and_fetched_again(server: Server) -> None:
    benchmark = one(server)
    path = fetch(benchmark)
    path.write_bytes(ROWS.replace(b"1 = 1", b"1 = 2"))
    with pytest.raises(BenchmarkMissing, match="its files were changed"):
        benchmark_path("one", {"one": benchmark})
    assert fetch(benchmark).read_bytes() == ROWS


def test_located_takes_paths_and_names_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert benchmark_path(str(tmp_path)) == tmp_path
    with pytest.raises(BenchmarkMissing, match=r"not here yet\. Run `prover data fetch minif2f`"):
        benchmark_path("minif2f")
    with pytest.raises(
        BenchmarkMissing, match=r"called 'miniF2'. Did you mean minif2f or .*\? The benchmarks are: mini"
    ):
        benchmark_path("miniF2")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "minif2f").touch()
    assert benchmark_path("minif2f") == Path("minif2f")


def child(benchmark: Benchmark) -> subprocess.Popen[str]:
    code = f"from data.benchmarks import Benchmark, fetch\nprint(fetch({benchmark!r}))"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_two_processes_at_once_fetch_it_once(server: Server) -> None:
    server.answer = sends(ROWS, pause=0.1)
    benchmark = one(server)
    children = [child(benchmark), child(benchmark)]
    said = {process.communicate(timeout=30)[0].strip() for process in children}
    assert said == {str(find(benchmark))}
    assert len(server.asked) == 1


def test_killed_at_any_moment_nothing_half_is_there_and_the_next_fetch_cleans_up(server: Server) -> None:
    server.answer = sends(tarball(LEAN), pause=0.02)
    benchmark = many(server)
    chance = random.Random(5)
    caught = 0
    for turn in range(8):
        before = len(server.asked)
        process = child(benchmark)
        while len(server.asked) == before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.25))
        process.kill()
        process.communicate()
        partial = {name for name in on_the_shelf() if ".partial-" in name}
        caught += bool(partial)
        for whole in on_the_shelf() - partial:
            assert checksum(benchmark, benchmarks_dir() / whole) == MANY.sha256
        if benchmark.root.exists():
            benchmark.root.rename(benchmarks_dir().parent / f"done{turn}")
    assert caught, "no kill came early enough"
    assert checksum(benchmark, fetch(benchmark)) == MANY.sha256
    assert on_the_shelf() == {"many-0123456789ab"}


def test_a_folder_that_cannot_be_written_is_told(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PROVER_HOME", str(tmp_path / "file"))
    with pytest.raises(FetchError, match="set PROVER_HOME"):
        fetch(one(server))
