"""The embedded Lean with some of its locks taken off, so that tests can try each lock alone."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Collection
from pathlib import Path

from lean_env import Lean, embedded, sandbox
from lean_env.embedded import install

LOCKS = frozenset({"guard", "interpreter", "imports", "strings", "node", "process"})
PARTS = frozenset(sandbox.LOCKS)  # of "process"
_HERE = Path(__file__).parent
_LOOK_UP = "Module.lookUp(UTF8ToString(symbol))"  # what patch.py makes of `dlsym`
_OPENED = "(name=>Module.lookUp(name)||(f=>f&&addFunction(f,f.sig))(wasmImports[name])||0)(UTF8ToString(symbol))"


def lean_behind(locks: Collection[str], opened: Path) -> Lean:
    """The embedded Lean behind these of LOCKS or PARTS and no others; `opened` is from `open_glue`."""
    lean = embedded(read=[_HERE, opened])
    if "imports" not in locks:
        lean = without_snapshot(lean)  # it is of another glue
    node = next(k for k, word in enumerate(lean.argv) if word.endswith("/bin/node"))
    start, (program, *rest) = lean.argv[:node], lean.argv[node:]
    driver = next(k for k, word in enumerate(rest) if word.endswith("repl.cjs"))
    flags, arguments = rest[:driver], rest[driver:]
    needed = ["--stack-size", "--openssl-config", "--no-warnings"]
    needed += ["--permission", "--allow", "--disable-sigusr1", "--no-addons"] if "node" in locks else []
    needed += ["--disallow-code-generation-from-strings"] if "strings" in locks else []
    flags = [flag for flag in flags if flag.startswith(tuple(needed))]
    if parts := PARTS & set(locks):
        program_text = f"import runpy, sys; m = runpy.run_path({sandbox.__file__!r}, run_name='launcher')"
        program_text += f"; m['main'].__globals__['LOCKS'] = {tuple(sorted(parts))!r}; m['main'](sys.argv[1:])"
        start = (*start[:3], "-c", program_text, *start[4:])
    elif "process" not in locks:
        # As it was before there was a sandbox: the limit of the stack alone.
        start = ("/bin/sh", "-c", 'ulimit -s 80000 && exec "$@"', "sh")
    if "imports" not in locks:
        arguments[arguments.index("--root") + 1] = str(opened)
    flags = [*flags, "-r", str(_HERE / "unlock.cjs")]
    off = ",".join(sorted(LOCKS - set(locks)))
    return Lean(lean.name, lean.version, (*start, program, *flags, *arguments, off))


def without_snapshot(lean: Lean) -> Lean:
    """The same, but it starts by itself."""
    at = lean.argv.index("--snapshot")
    return dataclasses.replace(lean, argv=(*lean.argv[:at], *lean.argv[at + 4 :]), snapshot=None)


def open_glue(root: Path) -> None:
    """Make an installation in `root` whose glue lets `dlsym` find all that JavaScript has."""
    found = install.find()
    assert found is not None
    text = found.lean_js.read_text()
    assert text.count(_LOOK_UP) == 1
    (root / "lean.js").write_text(text.replace(_LOOK_UP, _OPENED))
    for name in ("lean.wasm", "invoke.wasm", "symbols.txt"):
        shutil.copy(found.root / name, root)
    shutil.copytree(found.oleans, root / "oleans")
