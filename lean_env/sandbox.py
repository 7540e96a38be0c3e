"""The sandbox of Lean's processes: `sandbox_command` starts a program that reaches only what a policy gives it.

This file is also the launcher, run as a script with nothing but Python's standard library: it puts the limits and
locks below on itself, which no process can take off again, and becomes the program. Linux has all of them and needs no
rights for any; elsewhere it is the resource limits and the empty environment. What a kernel lacks is left out, unless
the sandbox is `required`. See docs/security.md for what each lock holds.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import platform
import resource
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

LOCKS = ("limits", "capabilities", "landlock", "seccomp")
REFUSED = 71  # exit code where a required lock cannot be had
_LARGEST_FILE = 1 << 28  # bytes; the only files that it could write are those that it was started with


@dataclass(frozen=True)
class SandboxPolicy:
    """The files, memory and descriptors that a sandboxed program may use.

    read: files and folders that it may read, beside the system's shared libraries. It can write nowhere.
    folder: its working folder. data: bytes of private memory. stack: bytes. files: how many may be open at once.
    required: end with REFUSED where a lock is missing, instead of going on without it.
    """

    read: tuple[str, ...]
    folder: str
    data: int
    stack: int
    files: int = 64
    required: bool = False


def sandbox_command(command: Sequence[str], policy: SandboxPolicy) -> tuple[str, ...]:
    """The command that starts `command` (whose first word is the path of a binary) under a policy."""
    return (sys.executable, "-I", "-S", os.path.abspath(__file__), json.dumps(asdict(policy)), *command)


def active_locks() -> dict[str, str]:
    """The locks of this machine: name → "" if the lock works, else the reason why not."""
    probe = (sys.executable, "-I", "-S", os.path.abspath(__file__))
    try:
        done = subprocess.run(probe, capture_output=True, text=True, timeout=30, check=True)
        found: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return dict.fromkeys(LOCKS, f"the launcher does not start: {error}")
    return found


# ---- limits ----------------------------------------------------------------------------------------------------------


def _limits(policy: SandboxPolicy) -> None:
    """Set the resource limits of this process."""
    for name, value in (
        ("RLIMIT_DATA", policy.data),
        ("RLIMIT_STACK", policy.stack),
        ("RLIMIT_NOFILE", policy.files),
        ("RLIMIT_FSIZE", _LARGEST_FILE),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_MEMLOCK", 0),
        ("RLIMIT_MSGQUEUE", 0),
    ):
        if (kind := getattr(resource, name, None)) is None:
            continue
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


# ---- Linux: system calls without a library ---------------------------------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)
_SET_NO_NEW_PRIVS, _DROP_CAPABILITY, _SET_SECCOMP, _AMBIENT, _CLEAR_ALL = 38, 24, 22, 47, 4  # of prctl
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2  # capabilities that a superuser may need to read the folders it is given
_EXECVEAT = {"x86_64": 322, "aarch64": 281}
_EMPTY_PATH = 0x1000


def _call(number: int, *arguments: object) -> int:
    """Make a system call by its number. Raises OSError."""
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    return _checked(result)


def _prctl(*arguments: int) -> int:
    """Call prctl(2). Raises OSError."""
    values = [ctypes.c_ulong(a) for a in (*arguments, 0, 0, 0, 0)[:5]]
    return _checked(_libc.prctl(*values))


def _checked(result: int) -> int:
    """Return the result of a C function. Raises OSError with `errno` where it is negative."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _capabilities() -> None:
    """Drop all capabilities of a superuser's process but those to read files."""
    _prctl(_AMBIENT, _CLEAR_ALL)
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    for capability in range(last + 1):
        if capability not in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
            try:
                _prctl(_DROP_CAPABILITY, capability)
            except PermissionError:  # no superuser, who had none to lose
                return


# ---- landlock: which files, addresses and processes it can name (Documentation/userspace-api/landlock.rst) -----------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_ALL_FILE_ACCESS = {
    1: (1 << 13) - 1,
    2: (1 << 14) - 1,
    3: (1 << 15) - 1,
    5: (1 << 16) - 1,
}  # by version, and later ones
_BIND_AND_CONNECT, _ABSTRACT_SOCKETS_AND_SIGNALS = 3, 3
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/etc/ld.so.cache")
_DEVICES = ("/dev/null", "/dev/urandom")


def _landlock(read: Sequence[str], execute: Sequence[str]) -> None:
    """Restrict this process to reading `read` and executing `execute`. Raises OSError without Landlock."""
    version = _call(_CREATE_RULESET, None, 0, 1)
    files = _ALL_FILE_ACCESS[max(v for v in _ALL_FILE_ACCESS if v <= version)]
    handled = struct.pack(
        "QQQ", files, _BIND_AND_CONNECT if version >= 4 else 0, _ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0
    )
    handled = handled[: 24 if version >= 6 else 16 if version >= 4 else 8]
    rules = _call(_CREATE_RULESET, handled, len(handled), 0)
    for paths, access in ((read, _READ_FILE | _READ_DIR), (execute, _EXECUTE | _READ_FILE)):
        for path in paths:
            try:
                target = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:  # not on this machine
                continue
            allowed = access if os.path.isdir(path) else access & ~_READ_DIR
            _call(_ADD_RULE, rules, 1, struct.pack("=Qi", allowed, target), 0)
            os.close(target)
    _prctl(_SET_NO_NEW_PRIVS, 1)
    _call(_RESTRICT_SELF, rules, 0)
    os.close(rules)


def _loader(binary: str) -> list[str]:
    """The loader of a binary's shared libraries (its PT_INTERP), which must be executable, too; none if it has none."""
    with open(binary, "rb") as file:
        head = file.read(64)
        if head[:5] != b"\x7fELF\x02":
            return []
        offset, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
        for index in range(count):
            file.seek(offset + index * size)
            kind, _, start, _, _, length = struct.unpack("<IIQQQQ", file.read(40))
            if kind == 3:
                file.seek(start)
                return [file.read(length).rstrip(b"\0").decode()]
    return []


# ---- seccomp: which system calls it can make -------------------------------------------------------------------------

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column below, and how a call names it
_DENIED = {  # number on x86_64 and aarch64; None: not there
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242),
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    # Landlock leaves these alone: they change a file that they need not open.
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "lchown": (94, None), "fchown": (93, 55), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "removexattrat": (466, 466),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119), "sched_setattr": (314, 274),
    "setpriority": (141, 140), "ioprio_set": (251, 30),
    "shmat": (30, 196), "shmctl": (31, 195), "semop": (65, 193), "semctl": (66, 191),
    "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "kexec_file_load": (320, 294), "modify_ldt": (154, None), "personality": (135, 92), "syslog": (103, 116),
    "process_madvise": (440, 440), "migrate_pages": (256, 238), "move_pages": (279, 239),
    "setrlimit": (160, 164), "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194),
    "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "open_by_handle_at": (304, 265), "fanotify_init": (300, 262),
    "init_module": (175, 105), "finit_module": (313, 273), "kexec_load": (246, 104), "reboot": (169, 142),
    "swapon": (167, 224),
}  # fmt: skip
_CLONE, _CLONE3, _KILL, _TGKILL, _PRLIMIT = (56, 220), (435, 435), (62, 129), (234, 131), (302, 261)
_CLONE_THREAD = 0x10000
_X32 = 0x40000000  # x86_64's second table of calls

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # of BPF
_ALLOW, _KILL_PROCESS = 0x7FFF0000, 0x80000000
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in what the filter sees


def _low(argument: int) -> int:
    """The offset of the lower half of a call's argument in what the filter sees."""
    return 16 + 8 * argument


def _fail(code: int) -> int:
    """The filter's answer that lets a call fail with an error number."""
    return 0x00050000 | code


def _filter(machine: str, pid: int, program: int) -> bytes:
    """The BPF program of the seccomp filter, which allows all system calls but the denied ones.

    It makes threads but no processes, and signals itself alone; the one program that it can become is what lies at file
    descriptor `program`, once: it is above the limit of open files, so that nothing can be opened there again.
    """
    column, architecture = _MACHINES[machine]
    code: list[tuple[int, int, int, int]] = []

    def emit(operation: int, value: int, yes: int = 0, no: int = 0) -> None:
        code.append((operation, yes, no, value))

    def only_if(number: int, *tests: tuple[int, int, int], otherwise: int) -> None:
        """Allow one call if each (offset, comparison, value) holds, else answer `otherwise`."""
        emit(_EQUAL, number, no=2 * len(tests) + 2)
        for k, (offset, comparison, value) in enumerate(tests):
            emit(_LOAD, offset)
            emit(comparison, value, no=2 * (len(tests) - k) - 1)
        emit(_RETURN, _ALLOW)
        emit(_RETURN, otherwise)

    emit(_LOAD, _ARCHITECTURE)
    emit(_EQUAL, architecture, yes=1)
    emit(_RETURN, _KILL_PROCESS)
    emit(_LOAD, _NUMBER)
    if machine == "x86_64":
        emit(_AT_LEAST, _X32, no=1)
        emit(_RETURN, _fail(errno.EPERM))
    for numbers in _DENIED.values():
        if (number := numbers[column]) is not None:
            emit(_EQUAL, number, no=1)
            emit(_RETURN, _fail(errno.EPERM))
    emit(_EQUAL, _CLONE3[column], no=1)
    emit(_RETURN, _fail(errno.ENOSYS))  # its flags cannot be seen: the C library then uses clone
    only_if(_CLONE[column], (_low(0), _ANY_BIT, _CLONE_THREAD), otherwise=_fail(errno.EPERM))
    for call in (_KILL, _TGKILL):
        only_if(call[column], (_low(0), _EQUAL, pid), otherwise=_fail(errno.EPERM))
    # A null pointer for the new limits, so that it only reads them.
    only_if(_PRLIMIT[column], (_low(2), _EQUAL, 0), (_low(2) + 4, _EQUAL, 0), otherwise=_fail(errno.EPERM))
    only_if(
        _EXECVEAT[machine],
        (_low(0), _EQUAL, program),
        (_low(4), _EQUAL, _EMPTY_PATH),
        otherwise=_fail(errno.EPERM),
    )
    emit(_RETURN, _ALLOW)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _seccomp(machine: str, program: int) -> None:
    """Install the filter in this process. Raises OSError without seccomp."""
    code = ctypes.create_string_buffer(_filter(machine, os.getpid(), program))
    head = struct.pack("HxxxxxxQ", (len(code) - 1) // 8, ctypes.addressof(code))
    _prctl(_SET_NO_NEW_PRIVS, 1)
    _checked(_libc.prctl(_SET_SECCOMP, ctypes.c_ulong(2), head, 0, 0))


# ---- the launcher ----------------------------------------------------------------------------------------------------


def _lock(policy: SandboxPolicy, binary: str, program: int) -> dict[str, str]:
    """Put every lock on this process: name → "" or the reason why that failed."""
    machine = platform.machine()
    linux = sys.platform == "linux" and machine in _MACHINES
    steps: dict[str, Callable[[], None]] = {
        "limits": lambda: _limits(policy),
        "capabilities": _capabilities,
        "landlock": lambda: _landlock((*policy.read, *_LIBRARIES, *_DEVICES), (binary, *_loader(binary))),
        "seccomp": lambda: _seccomp(machine, program),
    }
    found = {}
    for name in LOCKS:
        try:
            if name != "limits" and not linux:
                raise OSError(errno.ENOSYS, f"not on {platform.system()} {machine}")
            steps[name]()
            found[name] = ""
        except (OSError, ValueError) as error:
            found[name] = str(error)
    return found


def _become(program: int, command: Sequence[str]) -> None:
    """Replace this process by the program at a file descriptor, with an empty environment."""
    arguments = (ctypes.c_char_p * (len(command) + 1))(*map(os.fsencode, command), None)
    environment = (ctypes.c_char_p * 1)(None)
    _call(_EXECVEAT[platform.machine()], program, b"", arguments, environment, _EMPTY_PATH)


def main(arguments: Sequence[str]) -> None:
    """Launcher: `sandbox.py POLICY PROGRAM ARGUMENT…` becomes the program; with no arguments it prints the locks."""
    if not arguments:
        policy = SandboxPolicy((), "/", 1 << 30, 1 << 23)
        print(json.dumps(_lock(policy, sys.executable, 3)))
        return
    fields, *command = arguments
    policy = SandboxPolicy(**json.loads(fields))
    os.chdir(policy.folder)
    # No file can be opened with so high a number once the limits hold (see `_filter`).
    program = fcntl.fcntl(os.open(command[0], os.O_RDONLY | os.O_CLOEXEC), fcntl.F_DUPFD_CLOEXEC, policy.files)
    missing = {name: why for name, why in _lock(policy, command[0], program).items() if why}
    if missing and policy.required:
        print("the sandbox is not whole here: " + "; ".join(f"{k}: {v}" for k, v in missing.items()), file=sys.stderr)
        sys.exit(REFUSED)
    if "seccomp" in missing:
        os.execve(command[0], command, {})
    _become(program, command)


if __name__ == "__main__":
    main(sys.argv[1:])
