"""The public benchmarks: where each is published, which files are taken, and the copy on this machine.

A copy is one folder in `benchmarks_dir()`, whole and with the right checksum or not there: it is built in a folder
beside it and renamed into place, under a lock.
"""

from __future__ import annotations

import difflib
import gzip
import hashlib
import json
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from data import problems
from data.records.parsing import parse_json
from lean_env.embedded.install import ProgressCallback, file_lock, home, replaced_folder

_RECORD = "fetched.json"
_LIMIT = 100_000_000  # bytes of a download, and of what an archive unpacks to; the largest benchmark has 10 million


class FetchError(Exception):
    """A benchmark cannot be fetched, or is not what was published; str() says why and what to do."""


class BenchmarkMissing(Exception):
    """No file and no fetched benchmark has this name; str() says what there is and what to do."""


@dataclass(frozen=True)
class Benchmark:
    """One revision of a benchmark.

    home: its address, for people. url: of the file, or of the repository's archive at `revision`.
    written_for: the Lean and Mathlib that its statements were written for, as far as that is known.
    folders: those of the archive whose Lean files are the problems; empty if `url` is the one file itself.
    sha256: of the file; of many files, that of the lines `sha256  path` sorted by path, which is what
    `sha256sum` prints. (An archive's own bytes are not stable.) Where it is empty, the first fetch records what it got.
    problems: how many by split, "" where the benchmark names none.
    """

    name: str
    title: str
    home: str
    revision: str
    licence: str
    written_for: str
    url: str
    sha256: str
    problems: Mapping[str, int]
    folders: tuple[str, ...] = ()
    note: str = ""

    @property
    def root(self) -> Path:
        """The folder of its copy on this machine, which need not be there."""
        return benchmarks_dir() / f"{self.name}-{self.revision[:12]}"

    def content(self, root: Path) -> Path:
        """What `problems.read` takes, in a folder with a copy."""
        return root if self.folders else root / PurePosixPath(self.url).name


_V15 = "2c4ba9119eef74d0d611f494261b2c5bae98c69a"
_V15_HOME = "https://github.com/deepseek-ai/DeepSeek-Prover-V1.5"
_V15_FILES = f"https://raw.githubusercontent.com/deepseek-ai/DeepSeek-Prover-V1.5/{_V15}/datasets"
_V15_LEAN = "Lean 4.9, Mathlib 2f65ba7f1a91"
_MINIF2F_LEAN4 = "5746b7d6c47855ce1294bed87329618ff7f1bc31"
_PROOFNET_LEAN4 = "6deae98b38954dadf732746d023e8be65c56f246"
_PROVERBENCH = "3b9f067088e5e005fab91434ddc05a903e0a6252"
_PUTNAMBENCH = "3c9b9268ebd132d482938b8e9d242dd71fc1ebc0"

_ALL = (
    Benchmark(
        name="minif2f",
        title="miniF2F as DeepSeek-Prover-V1.5 was evaluated on it: high-school competitions",
        home=_V15_HOME,
        revision=_V15,
        licence="MIT",
        written_for=_V15_LEAN,
        url=f"{_V15_FILES}/minif2f.jsonl",
        sha256="d6654c88476ff14db19d57dea25bd955a240525fb52171e460f89d98f83d7dd5",
        problems={"valid": 244, "test": 244},
    ),
    Benchmark(
        name="minif2f-lean4",
        title="miniF2F, the copy whose statements are still being corrected",
        home="https://github.com/yangky11/miniF2F-lean4",
        revision=_MINIF2F_LEAN4,
        licence="MIT",
        written_for="Lean 4.24.0, Mathlib v4.24.0",
        url=f"https://github.com/yangky11/miniF2F-lean4/archive/{_MINIF2F_LEAN4}.tar.gz",
        sha256="e0c2c6c1d6002964b594defedc9b7b8b32b88da0b90cced4c35e9c48219b7594",
        problems={"valid": 244, "test": 244},
        folders=("MiniF2F/Test", "MiniF2F/Valid"),
    ),
    Benchmark(
        name="proofnet",
        title="ProofNet as DeepSeek-Prover-V1.5 was evaluated on it: undergraduate textbooks",
        home=_V15_HOME,
        revision=_V15,
        licence="MIT",
        written_for=_V15_LEAN,
        url=f"{_V15_FILES}/proofnet.jsonl",
        sha256="4a4d4fd69f45d6180830f12a73adb8a7e04915f651f3fa44a2877082fe252132",
        problems={"valid": 185, "test": 186},
        note="The same name can stand for exercises of several books: 371 problems have 349 names.",
    ),
    Benchmark(
        name="proofnet-lean4",
        title="ProofNet, translated to Lean 4 and named by its books",
        home="https://github.com/rahul3613/ProofNet-lean4",
        revision=_PROOFNET_LEAN4,
        licence="MIT",
        written_for="Lean 4.20.0, Mathlib v4.20.0",
        url=f"https://raw.githubusercontent.com/rahul3613/ProofNet-lean4/{_PROOFNET_LEAN4}/proofnet_lean4.jsonl",
        sha256="cffeb0fcc279a578a803ce7fd3e2583d688d0a3f1e0cdc38c96ff53a46270139",
        problems={"": 374},
        note="Two of its statements are cut off in the file itself, and cannot be read.",
    ),
    Benchmark(
        name="proverbench",
        title="ProverBench: AIME 2024 and 2025, and textbooks",
        home="https://huggingface.co/datasets/deepseek-ai/DeepSeek-ProverBench",
        revision=_PROVERBENCH,
        licence="none stated",
        written_for="not stated",
        url="https://huggingface.co/datasets/deepseek-ai/DeepSeek-ProverBench"
        f"/resolve/{_PROVERBENCH}/proverbench.jsonl",
        sha256="",
        problems={"": 325},
        note="We could not reach its home, so no checksum is known: the first fetch records what it got. "
        "The first version of its card said MIT, the present one says nothing.",
    ),
    Benchmark(
        name="putnambench",
        title="PutnamBench: the Putnam competition, 1962 to 2025",
        home="https://github.com/trishullab/PutnamBench",
        revision=_PUTNAMBENCH,
        licence="Apache-2.0",
        written_for="Lean 4.27.0, Mathlib v4.27.0",
        url=f"https://github.com/trishullab/PutnamBench/archive/{_PUTNAMBENCH}.tar.gz",
        sha256="0cddd0fb1bfb854abc315a43b12563ac5dbb55d977e8fe6b8bd2b04277da7227",
        problems={"": 672},
        folders=("lean4/src",),
        note="The informal statements in it are the MAA's, used with permission. "
        "Its authors ask that proofs not be published.",
    ),
)

CATALOGUE: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in _ALL}


def benchmarks_dir() -> Path:
    """The folder that holds the copies."""
    return home() / "benchmarks"


def find(benchmark: Benchmark) -> Path | None:
    """The path of a benchmark's copy, for `problems.read`; None without an unchanged copy. Takes milliseconds."""
    try:
        expected = benchmark.sha256 or parse_json((benchmark.root / _RECORD).read_bytes())["sha256"]
        if checksum(benchmark, benchmark.root) == expected:
            return benchmark.content(benchmark.root)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def benchmark_path(name_or_path: str, catalogue: Mapping[str, Benchmark] = CATALOGUE) -> Path:
    """The given path if it exists, otherwise the path of the copy of the benchmark with this name.

    Raises BenchmarkMissing.
    """
    path = Path(name_or_path)
    if path.exists():
        return path
    benchmark = get_benchmark(name_or_path, catalogue)
    if found := find(benchmark):
        return found
    changed = "its files were changed since they were fetched" if benchmark.root.exists() else "it is not here yet"
    raise BenchmarkMissing(f"the benchmark {benchmark.name}: {changed}. Run `prover data fetch {benchmark.name}`.")


def get_benchmark(name: str, catalogue: Mapping[str, Benchmark] = CATALOGUE) -> Benchmark:
    """The benchmark with this name. Raises BenchmarkMissing."""
    if benchmark := catalogue.get(name):
        return benchmark
    close = difflib.get_close_matches(name.lower(), catalogue, n=2)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    raise BenchmarkMissing(
        f"there is no file and no benchmark called {name!r}.{hint} The benchmarks are: {', '.join(catalogue)}."
    )


def fetch(benchmark: Benchmark, source: Path | None = None, progress: ProgressCallback | None = None) -> Path:
    """Fetch a benchmark unless there is a copy, and return the copy's path, for `problems.read`.

    source: what was fetched by other means (the file; the archive or the repository's folder): it is checked like a
    download, and replaces the copy there is. Waits while another process fetches. Raises FetchError.
    """
    if source is None and (found := find(benchmark)):
        return found
    report = progress or (lambda stage, fraction: None)
    folder = benchmarks_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file_lock(folder / "fetch.lock", report):
            if source is None and (found := find(benchmark)):  # by another process while we waited
                return found
            return _fetch(benchmark, source, report)
    except OSError as error:
        raise FetchError(
            f"{benchmark.name} could not be kept in {folder}: {error}. "
            "It needs a folder that you can write to: set PROVER_HOME to one."
        ) from error


def checksum(benchmark: Benchmark, root: Path) -> str:
    """The sha256 of the benchmark's files in a folder (see Benchmark). Raises OSError."""
    if not benchmark.folders:
        return _sha256(benchmark.content(root))
    lines = sorted((path.relative_to(root).as_posix(), _sha256(path)) for path in _lean_files(benchmark, root))
    return hashlib.sha256("".join(f"{digest}  {path}\n" for path, digest in lines).encode()).hexdigest()


def _fetch(benchmark: Benchmark, source: Path | None, report: ProgressCallback) -> Path:
    """Build the copy; the lock of its folder is held."""
    with replaced_folder(benchmark.root) as work:
        arrived = source or _download(benchmark, work / "arrived", report)
        new = work / "new"
        _take(benchmark, arrived, new)
        found = checksum(benchmark, new)
        _verify(benchmark, new, found, str(source or benchmark.url))
        record = {"url": benchmark.url, "from": str(source or benchmark.url), "sha256": found}
        report("verify", 1.0)
        (new / _RECORD).write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    return benchmark.content(benchmark.root)


def _download(benchmark: Benchmark, target: Path, report: ProgressCallback) -> Path:
    """What lies at the benchmark's address, in the file `target`. Raises FetchError."""
    from data.records.download import (  # an HTTP client takes long to import, and few commands need one
        DownloadError,
        download,
    )

    try:
        download(benchmark.url, target, _LIMIT, report)
    except DownloadError as error:
        what = "the archive, unpacked or not" if benchmark.folders else "the file"
        raise FetchError(
            f"{benchmark.name} could not be fetched from\n  {benchmark.url}\n  {error}\n"
            "If this machine cannot reach that address, bring what lies there by other means, and run\n"
            f"  prover data fetch {benchmark.name} --from PATH\nwith the path of {what}."
        ) from error
    return target


def _take(benchmark: Benchmark, arrived: Path, new: Path) -> None:
    """Copy the benchmark's files out of what arrived. Raises FetchError."""
    if not arrived.exists():
        raise FetchError(f"there is no {arrived}")
    if not benchmark.folders:
        if arrived.is_dir():
            raise FetchError(f"{arrived} is a folder; {benchmark.name} is one file, {benchmark.content(arrived).name}")
        shutil.copyfile(arrived, benchmark.content(new))
        return
    if arrived.is_dir():
        for path in _lean_files(benchmark, arrived):
            target = new / path.relative_to(arrived)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    else:
        try:
            _unpack(benchmark, arrived, new)
        except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FetchError(
                f"{arrived} is no whole archive of {benchmark.home}: {str(error).splitlines()[0]}"
            ) from error
    if not _lean_files(benchmark, new):
        raise FetchError(f"{arrived} has no Lean files in {' or '.join(benchmark.folders)}: is it {benchmark.home}?")


def _unpack(benchmark: Benchmark, archive: Path, new: Path) -> None:
    """Write the archive's files that are wanted, and no others. One that points outside is refused as a whole."""
    size = 0
    with tarfile.open(archive) as members:
        for member in members:
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts:  # tarfile's own filters came with Python 3.11.4
                raise tarfile.TarError(f"{name} leads outside of the archive")
            size += member.size
            if size > _LIMIT:
                raise FetchError(f"{archive} unpacks to more than {_LIMIT:,} bytes: nothing of it was used")
            path = PurePosixPath(*name.parts[1:])  # without the archive's one top folder
            content = members.extractfile(member) if member.isreg() else None
            if content is not None and path.suffix == ".lean" and path.parent.as_posix() in benchmark.folders:
                (new / path).parent.mkdir(parents=True, exist_ok=True)
                (new / path).write_bytes(content.read())


def _verify(benchmark: Benchmark, root: Path, found: str, origin: str) -> None:
    """Raises FetchError if this is not the benchmark."""
    if benchmark.sha256:
        if found == benchmark.sha256:
            return
        why = f"  expected sha256 {benchmark.sha256}\n  found           {found}"
    else:
        unreadable: list[problems.ProblemError] = []
        have = sum(1 for _ in problems.read(benchmark.content(root), unreadable)) + len(unreadable)
        expected = sum(benchmark.problems.values())
        if have == expected and len(unreadable) < expected / 2:
            return
        why = f"  expected {expected} problems, found {have}, of which {len(unreadable)} cannot be read"
    raise FetchError(
        f"{origin}\nis not {benchmark.name} as it was published at revision {benchmark.revision}, "
        f"and nothing of it was used.\n{why}"
    )


def _lean_files(benchmark: Benchmark, root: Path) -> list[Path]:
    return [path for folder in benchmark.folders for path in sorted((root / folder).glob("*.lean"))]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
