"""Which calls to the kernel a submission may not make: a seccomp filter, written here in full for x86-64 and ARM64.

Nothing that reaches the network or another process, starts a program or a process, or changes what belongs to a file.
Such a call fails with "Operation not permitted", and the notebook goes on. Threads are allowed. See seccomp(2).
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# name: (x86-64, ARM64); None where there is no such call.
DENIED = {
    # the network, and sockets to processes of this machine
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    # programs and process groups
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None), "setsid": (112, 157),
    "setpgid": (109, 154),
    # other processes
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438), "ptrace": (101, 117), "kcmp": (312, 272),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    "setpriority": (141, 140), "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118), "sched_setattr": (314, 274), "ioprio_set": (251, 30), "setrlimit": (160, 164),
    # what belongs to files: Landlock guards their contents only
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None),
    "futimesat": (261, None), "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "setxattrat": (463, 463), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "fremovexattr": (199, 16), "removexattrat": (466, 466), "creat": (85, None), "truncate": (76, 45),
    # memory that outlives a process, and message queues
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180), "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    # the kernel itself
    "mount": (165, 40), "umount2": (166, 39), "unshare": (272, 97), "setns": (308, 268), "chroot": (161, 51),
    "pivot_root": (155, 41), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "fanotify_init": (300, 262), "open_by_handle_at": (304, 265), "reboot": (169, 142),
    "kexec_load": (246, 104), "init_module": (175, 105), "finit_module": (313, 273), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "adjtimex": (159, 171), "syslog": (103, 116), "personality": (135, 92),
}  # fmt: skip
# Their arguments lie in memory, where a filter cannot look. "Not known": the C library then takes the older call.
_UNKNOWN = {"clone3": (435, 435), "openat2": (437, 437), "io_uring_setup": (425, 425)}
_CLONE, _OPEN, _OPENAT, _PRLIMIT, _KILL, _TGKILL = (56, 220), (2, None), (257, 56), (302, 261), (62, 129), (234, 131)
_A_THREAD, _EMPTIED = 0x10000, 0x200  # CLONE_THREAD, O_TRUNC
_NOT_PERMITTED, _NOT_KNOWN, _ALLOW = 0x50001, 0x50026, 0x7FFF0000  # ERRNO | EPERM, ERRNO | ENOSYS
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENT = 0, 4, 16  # where they lie in what the filter is given


def known_machine() -> bool:
    """Whether the numbers of this machine's calls are known here."""
    return platform.machine() in _ARCHITECTURE


def program(machine: str, process: int) -> bytes:
    """The filter as instructions of the kernel's packet filter; `process` may send signals to itself alone."""
    column = list(_ARCHITECTURE).index(machine)
    code: list[tuple[int, int, int, int]] = []

    def number(call: tuple) -> int | None:
        return call[column]

    def add(operation: int, value: int, if_so: int = 0, if_not: int = 0) -> None:
        code.append((operation, if_so, if_not, value))

    def answer(call: tuple, result: int) -> None:
        if number(call) is not None:
            add(_EQUAL, number(call), 0, 1)
            add(_RETURN, result)

    def look_at(call: tuple, argument: int, test: int, value: int, if_so: int, if_not: int) -> None:
        """For this call, decide by one of its arguments; then load the number again."""
        if number(call) is not None:
            add(_EQUAL, number(call), 0, 4)
            add(_LOAD, _ARGUMENT + 8 * argument)
            add(test, value, 0, 1)
            add(_RETURN, if_so)
            add(_RETURN, if_not)

    add(_LOAD, _ARCH)
    add(_EQUAL, _ARCHITECTURE[machine], 1, 0)
    add(_RETURN, _NOT_PERMITTED)  # 32-bit calls have other numbers
    add(_LOAD, _NUMBER)
    add(_AT_LEAST, 0x40000000, 0, 1)  # so have those of x32
    add(_RETURN, _NOT_PERMITTED)
    for call in DENIED.values():
        answer(call, _NOT_PERMITTED)
    for call in _UNKNOWN.values():
        answer(call, _NOT_KNOWN)
    look_at(_CLONE, 0, _ANY_BIT, _A_THREAD, _ALLOW, _NOT_PERMITTED)
    look_at(_OPEN, 1, _ANY_BIT, _EMPTIED, _NOT_PERMITTED, _ALLOW)
    look_at(_OPENAT, 2, _ANY_BIT, _EMPTIED, _NOT_PERMITTED, _ALLOW)
    look_at(_PRLIMIT, 0, _EQUAL, 0, _ALLOW, _NOT_PERMITTED)
    look_at(_KILL, 0, _EQUAL, process, _ALLOW, _NOT_PERMITTED)
    look_at(_TGKILL, 0, _EQUAL, process, _ALLOW, _NOT_PERMITTED)
    add(_RETURN, _ALLOW)
    return b"".join(struct.pack("<HBBI", *one) for one in code)


def deny() -> None:
    """Put the filter on this process, for good.

    Raises:
        OSError: the kernel refuses it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(program(platform.machine(), os.getpid()))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]

    given = Program((len(code) - 1) // 8, ctypes.addressof(code))
    set_seccomp, as_filter = 22, 2
    if libc.prctl(set_seccomp, as_filter, ctypes.byref(given), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")
