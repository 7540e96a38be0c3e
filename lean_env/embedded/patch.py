"""Make the published wasm build of Lean fit for checking proofs: `patch_js` and `patch_wasm`.

The build is meant for a browser page: its glue names all 201,109 exports (89 MB of JavaScript that takes seconds to
parse) and its tasks run on four worker threads, each of which would load the module again. We keep the exports that the
glue itself uses, let tasks run where they are made, and have Lean's interpreter ask the driver before it runs anything.

Every edit looks for the exact text or bytes of this one build and raises `PatchError` where they are not there.
"""

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass


class PatchError(Exception):
    """The build is not the one that these edits were written for."""


# ---- lean.js ---------------------------------------------------------------------------------------------------------

# Looking a symbol up by number or by name scans all exports in the original: too slow for the thousands that Lean makes
# while it initialises. The prelude keeps, per library, the list of names and the map back.
#
# It also reads `Module.maxBytes`, the most bytes that Lean's memory may have. The build allows 2 GiB.
_PRELUDE = """\
var __maxPages=Math.min(32768,Math.floor((Module.maxBytes??2147483648)/65536));\
var __names=new WeakMap();\
var __namesOf=exports=>{var names=__names.get(exports);\
if(!names){names=Object.keys(exports);__names.set(exports,names)}return names};\
var __indices=new WeakMap();\
var __indexOf=(exports,name)=>{var indices=__indices.get(exports);\
if(!indices){indices=new Map(__namesOf(exports).map((k,i)=>[k,i]));__indices.set(exports,indices)}\
return indices.get(name)??-1};
"""

_JS_EDITS = (
    # No worker is ever needed (see `single_thread`), so none is started.
    ("var pthreadPoolSize=4;", "var pthreadPoolSize=0;"),
    # The memory limit, twice: the engine refuses to grow beyond it, and malloc, which asks for 20% more than it needs,
    # asks for what is left.
    ("maximum:32768,shared:true", "maximum:__maxPages,shared:true"),
    ("var getHeapMax=()=>2147483648;", "var getHeapMax=()=>__maxPages*65536;"),
    ("newSymIndex=Object.keys(lib.exports).indexOf(symbol)", "newSymIndex=__indexOf(lib.exports,symbol)"),
    ("var symName=Object.keys(symDict)[symbolIndex];", "var symName=__namesOf(symDict)[symbolIndex];"),
    # Dynamic look-up (`dlsym`) finds what the module exports, and nothing of JavaScript.
    ('newDSO("__main__",0,wasmImports)', 'newDSO("__main__",0,wasmExports)'),
    ('mergeLibSymbols(wasmExports,"main");', ""),
    # Node's permission model has no `process.binding`.
    ('process.binding("constants")["fs"]', 'require("fs").constants'),
    # Without `replace` only names that have an entry already can change: a few instead of all exports.
    (
        "var updateGOT=(exports,replace)=>{for(var symName in exports){if(isInternalSym(symName)){continue}",
        "var updateGOT=(exports,replace)=>{for(var symName of(replace?Object.keys(exports):Object.keys(GOT)))"
        "{if(!(symName in exports)||isInternalSym(symName)){continue}",
    ),
)

_DEBUG_PRINT = 'console.log("[DEBUG'  # the port's traces, which would come out between our own lines
_DEBUG_HOOK = 'globalThis.__leandbg?.("[DEBUG'  # nothing, unless the driver defines it

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def patch_js(source: str) -> str:
    """lean.js (89 MB) as 0.7 MB: only the exports that the glue uses, no workers, a memory limit, fast symbol look-up
    among the exports alone. It is the body of a function of Module, require, process, __filename and __dirname.

    Raises `PatchError` if `source` is not the expected build.
    """
    function = "function assignWasmExports(wasmExports){"
    start = _find(source, function)
    end = _find(source, "}var wasmImports;function assignWasmImports")
    declaration = source.rfind(";var ", 0, start)  # `var a,b,c…;` of all exports stands right before the function
    if declaration < 0:
        raise PatchError("lean.js: the exports are not declared before assignWasmExports")
    head, tail = source[: declaration + 1], source[end + 1 :]

    used = set(_IDENTIFIER.findall(head)) | set(_IDENTIFIER.findall(tail))
    kept = [name for name in source[declaration + len(";var ") : start - 1].split(",") if name in used]
    wanted = set(kept)
    assignments = []
    for assignment in source[start + len(function) : end].split(";"):
        *targets, value = assignment.split("=")  # a=Module["a"]=wasmExports["a"], perhaps with .value at the end
        assignments += [f"{target}={value}" for target in targets if target in wanted]
    if len(assignments) != len(kept):
        raise PatchError(f"lean.js: {len(kept)} exports are used, {len(assignments)} are assigned")

    script = f"{head}var {','.join(kept)};{function}{';'.join(assignments)}}}{tail}"
    for old, new in _JS_EDITS:
        at = _find(script, old)
        script = script[:at] + new + script[at + len(old) :]
    return _PRELUDE + script.replace(_DEBUG_PRINT, _DEBUG_HOOK)


def _find(text: str, part: str) -> int:
    at = text.find(part)
    if at < 0 or text.find(part, at + 1) >= 0:
        raise PatchError(f"lean.js: expected exactly once: {part[:60]}")
    return at


# ---- lean.wasm -------------------------------------------------------------------------------------------------------

_IMPORT, _EXPORT, _CODE = 2, 7, 10  # section ids
_FUNCTION, _TABLE, _MEMORY, _GLOBAL, _TAG = range(5)  # kinds of imports and exports

_I32_CONST_1_TO_LOCAL_3 = bytes([0x41, 1, 0x21, 3])
# i32.const <address of g_task_manager>; i32.load align=2 offset=0; i32.eqz
_IS_TASK_MANAGER_NULL = bytes([0x41, 0xD0, 0xD8, 0xDD, 0x00, 0x28, 0x02, 0x00, 0x45])
# The same for address 8, written in as many bytes. Nothing lives below the first data segment: it always reads 0.
_IS_NULL_NULL = bytes([0x41, 0x88, 0x80, 0x80, 0x00, 0x28, 0x02, 0x00, 0x45])

ASKED = "getaddrinfo"
"""The import that the interpreter calls before it runs anything: (entry, environment, name, 0) → 0.

Lean has no other use for it here. It has the right type already, so that no function gets another number."""

_ENTRIES = {  # function → (its number for the driver, parameters that hold the environment and the name)
    "_ZN4lean2ir9run_boxedERKNS_16elab_environmentERKNS_7optionsERKNS_4nameEjPP11lean_object": (0, 0, 2),
    "_ZN4lean2ir16run_boxed_kernelERKNS_11environmentERKNS_7optionsERKNS_4nameEjPP11lean_object": (1, 0, 2),
    "lean_run_init": (2, 0, 2),
}
"""Where C++ enters the interpreter: to evaluate a constant, for the kernel (`Lean.reduceBool`), for an `initialize`.
Closures that an evaluation left behind come back by functions of their own: whoever allowed it allowed them."""


def patch_wasm(wasm: bytes) -> bytes:
    """lean.wasm with tasks that run at once, by the one thread there is, and an interpreter that asks before it runs.

    Without a task manager Lean runs tasks at once by itself; but promises need a task manager, so it must exist, and
    only these three functions may not see it:
    - `lean_task_spawn_core` asks first whether there is a task manager; it now asks a word that is always null.
    - `lean_task_map_core` and `lean_task_bind_core` have a parameter `sync` (number 3), now always true.

    Each of the interpreter's entries first calls the import `ASKED`, which may throw.

    Raises `PatchError` if `wasm` is not the expected build.
    """
    sections = {section.id: section for section in _sections(wasm)}
    if not {_IMPORT, _EXPORT, _CODE} <= sections.keys():
        raise PatchError("lean.wasm: the import, export or code section is missing")
    code = sections[_CODE]
    functions = _exported_functions(wasm, sections[_EXPORT])
    imports = _imported_functions(wasm, sections[_IMPORT])
    if ASKED not in imports:
        raise PatchError(f"lean.wasm: {ASKED} is not imported")

    named: dict[str, Callable[[bytes], bytes]] = {
        "lean_task_spawn_core": _without_task_manager,
        "lean_task_map_core": _always_sync,
        "lean_task_bind_core": _always_sync,
    }
    for name, entry in _ENTRIES.items():
        named[name] = functools.partial(_asking, imports.index(ASKED), *entry)
    edits = {}
    for name, edit in named.items():
        if name not in functions:
            raise PatchError(f"lean.wasm: {name} is not exported")
        edits[functions[name] - len(imports)] = edit
    if len(edits) != len(named):
        raise PatchError("lean.wasm: two of the functions to be edited are one")

    view = memoryview(wasm)  # slices without copies: this is 137 MB
    parts: list[memoryview | bytes] = []
    copied = code.start  # up to here the code section is in `parts`
    read = _Reader(wasm, code.start)
    read.number()  # how many bodies
    for index in range(max(edits) + 1):
        header = read.at
        size = read.number()
        if index in edits:
            body = edits[index](wasm[read.at : read.at + size])
            parts += [view[copied:header], _leb128(len(body)), body]
            copied = read.at + size
        read.at += size
    parts.append(view[copied : code.end])
    size = sum(map(len, parts))
    return b"".join([view[: code.header], bytes([_CODE]), _leb128(size), *parts, view[code.end :]])


def _without_task_manager(body: bytes) -> bytes:
    if _IS_TASK_MANAGER_NULL not in body:
        raise PatchError("lean.wasm: lean_task_spawn_core does not test the task manager as expected")
    return body.replace(_IS_TASK_MANAGER_NULL, _IS_NULL_NULL, 1)


def _always_sync(body: bytes) -> bytes:
    return _before(body, _I32_CONST_1_TO_LOCAL_3)


def _asking(asked: int, entry: int, environment: int, name: int, body: bytes) -> bytes:
    """The body of a function that first calls import `asked`: i32.const, two local.get, i32.const 0, call, drop."""
    question = bytes([0x41, entry, 0x20, environment, 0x20, name, 0x41, 0, 0x10, *_leb128(asked), 0x1A])
    return _before(body, question)


def _before(body: bytes, instructions: bytes) -> bytes:
    """The body of a function that begins with some instructions."""
    read = _Reader(body, 0)
    for _ in range(read.number()):  # local variables come in groups: how many, of which type
        read.number()
        read.at += 1
    return body[: read.at] + instructions + body[read.at :]


@dataclass(frozen=True)
class _Section:
    """A section of a module: offset of its id, of its content, and of what comes after it."""

    id: int
    header: int
    start: int
    end: int


class _Reader:
    """Reads the numbers and strings of a wasm module; `at` is the offset of the next one."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        """An unsigned LEB128 number: 7 bits a byte, the lowest first."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self) -> bytes:
        size = self.number()
        self.at += size
        return self.data[self.at - size : self.at]

    def limits(self) -> None:
        if self.byte() & 1:  # there is a maximum
            self.number()
        self.number()


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _sections(wasm: bytes) -> Iterator[_Section]:
    if wasm[:8] != b"\0asm\1\0\0\0":
        raise PatchError("lean.wasm: not a WebAssembly module of version 1")
    read = _Reader(wasm, 8)
    while read.at < len(wasm):
        header = read.at
        kind, size = read.byte(), read.number()
        yield _Section(kind, header, read.at, read.at + size)
        read.at += size


def _exported_functions(wasm: bytes, section: _Section) -> dict[str, int]:
    """Name → index among all functions, the imported ones first."""
    read = _Reader(wasm, section.start)
    functions = {}
    for _ in range(read.number()):
        name, kind, index = read.text(), read.byte(), read.number()
        if kind == _FUNCTION:
            functions[name.decode()] = index
    return functions


def _imported_functions(wasm: bytes, section: _Section) -> list[str]:
    """Their names; the place in the list is the index."""
    read = _Reader(wasm, section.start)
    functions = []
    for _ in range(read.number()):
        read.text()  # module
        name = read.text()
        kind = read.byte()
        if kind == _FUNCTION:
            functions.append(name.decode())
            read.number()  # type
        elif kind == _TABLE:
            read.byte()  # type of its elements
            read.limits()
        elif kind == _MEMORY:
            read.limits()
        elif kind == _GLOBAL:
            read.at += 2  # type, mutability
        elif kind == _TAG:
            read.byte()
            read.number()  # type
        else:
            raise PatchError(f"lean.wasm: unknown kind of import: {kind}")
    return functions
