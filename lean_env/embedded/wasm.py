"""Read and write parts of WebAssembly modules, those that patch.py needs (WebAssembly specification, 5.4 and 5.5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

HEADER = b"\0asm\1\0\0\0"
# Ids of sections.
CUSTOM, TYPES, IMPORTS, FUNCTIONS, TABLES, GLOBALS, EXPORTS, ELEMENTS, CODE = 0, 1, 2, 3, 4, 6, 7, 9, 10
FUNCTION, TABLE, MEMORY, GLOBAL, TAG = range(5)  # kinds of imports and exports
I32, I64, F32, F64, FUNCREF, EXTERNREF = 0x7F, 0x7E, 0x7D, 0x7C, 0x70, 0x6F  # types of values

Signature = tuple[tuple[int, ...], tuple[int, ...]]
"""Types of a function's parameters and results."""


class WasmError(Exception):
    """A WebAssembly module does not have the expected form."""


class Reader:
    """A reader of the numbers and names in a module; `at` is the offset of the next one."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def byte(self) -> int:
        """The next byte."""
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        """The next unsigned LEB128 number: 7 bits a byte, the lowest first."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def signed(self) -> int:
        """The next signed LEB128 number."""
        start = self.at
        value = self.number()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> (bits - 1) else value

    def name(self) -> bytes:
        """The next name, in UTF-8."""
        size = self.number()
        self.at += size
        return self.data[self.at - size : self.at]

    def types(self) -> tuple[int, ...]:
        """The next vector of value types."""
        return tuple(self.byte() for _ in range(self.number()))

    def limits(self) -> int:
        """The minimum of the next limits, those of a table or a memory."""
        bounded = self.byte() & 1
        minimum = self.number()
        if bounded:
            self.number()
        return minimum


@dataclass(frozen=True)
class Section:
    """A section of a module: the offsets of its id (`header`), of its content, and of what comes after it."""

    id: int
    header: int
    start: int
    end: int


@dataclass(frozen=True)
class Import:
    """An entry of the import section; `type` is the index of a function's signature, and 0 for other kinds."""

    module: str
    name: str
    kind: int
    type: int


def sections(module: bytes) -> Iterator[Section]:
    """The sections of a module, in order. Raises WasmError if it is none."""
    if module[:8] != HEADER:
        raise WasmError("not a WebAssembly module of version 1")
    read = Reader(module, len(HEADER))
    while read.at < len(module):
        header = read.at
        kind, size = read.byte(), read.number()
        yield Section(kind, header, read.at, read.at + size)
        read.at += size


def signatures(module: bytes, section: Section) -> list[Signature]:
    """The signatures of the type section. Raises WasmError if a type is not a function's."""
    read = Reader(module, section.start)
    found = []
    for _ in range(read.number()):
        if read.byte() != 0x60:
            raise WasmError("a type is not a function's")
        found.append((read.types(), read.types()))
    return found


def imports(module: bytes, section: Section) -> list[Import]:
    """The entries of the import section. Raises WasmError for an unknown kind."""
    read = Reader(module, section.start)
    found = []
    for _ in range(read.number()):
        library, name, kind, signature = read.name().decode(), read.name().decode(), read.byte(), 0
        if kind == FUNCTION:
            signature = read.number()
        elif kind == TABLE:
            read.byte()  # type of its elements
            read.limits()
        elif kind == MEMORY:
            read.limits()
        elif kind == GLOBAL:
            read.at += 2  # type, mutability
        elif kind == TAG:
            read.byte()
            read.number()  # type
        else:
            raise WasmError(f"unknown kind of import: {kind}")
        found.append(Import(library, name, kind, signature))
    return found


def exports(module: bytes, section: Section) -> Iterator[tuple[str, int, int, bytes]]:
    """The name, kind and index of every export, and the bytes of its entry."""
    read = Reader(module, section.start)
    for _ in range(read.number()):
        start = read.at
        name, kind, index = read.name().decode(), read.byte(), read.number()
        yield name, kind, index, module[start : read.at]


def table(module: bytes, section: Section) -> int:
    """The minimum size of the one table of a table section. Raises WasmError if there are more."""
    read = Reader(module, section.start)
    if read.number() != 1 or read.byte() != FUNCREF:
        raise WasmError("not one table of functions")
    return read.limits()


def global_values(module: bytes, section: Section) -> list[int | None]:
    """The value of each global, None if it is mutable. Raises WasmError where it is no 32-bit constant."""
    read = Reader(module, section.start)
    found = []
    for _ in range(read.number()):
        kind, mutable, instruction, value = read.byte(), read.byte(), read.byte(), read.signed()
        if (kind, instruction, read.byte()) != (I32, 0x41, 0x0B):
            raise WasmError("a global is not a 32-bit constant")
        found.append(None if mutable else value)
    return found


def unsigned(value: int) -> bytes:
    """A number in unsigned LEB128."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value: int) -> bytes:
    """A number in signed LEB128, the form of constants."""
    out = bytearray()
    while not -0x40 <= value < 0x40:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


def text(name: str) -> bytes:
    """A name, preceded by its length."""
    encoded = name.encode()
    return unsigned(len(encoded)) + encoded


def vector(items: Iterable[bytes]) -> bytes:
    """A vector: items, preceded by their number."""
    listed = list(items)
    return unsigned(len(listed)) + b"".join(listed)


def export(name: str, kind: int, index: int) -> bytes:
    """An entry of the export section."""
    return text(name) + bytes([kind]) + unsigned(index)


def segment(table: int, functions: Collection[int]) -> bytes:
    """An entry of the element section that puts functions into a table, from its first slot on."""
    start = b"\x41\0\x0b"  # i32.const 0
    return b"\2" + unsigned(table) + start + b"\0" + vector(unsigned(f) for f in functions)


def section(kind: int, content: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """A section, with its id and size before it, in pieces."""
    return [bytes([kind]) + unsigned(sum(map(len, content))), *content]
