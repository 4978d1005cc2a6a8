# SPDX-License-Identifier: Apache-2.0
"""System calls with chosen arguments and memory, for comparing what tracers print.

Each call is (name, arguments, bytes at BASE, fails). tests/prog/syscalls_pretend makes the
calls without the kernel running them (seccomp answers with 0 or EPERM), so that reboot and
mount can be shown too. Usage: syscalls_corpus.py FILE [FAMILY...] | --list
"""
import socket
import struct
import sys

BASE = 0x10000000
MASK = (1 << 64) - 1
B = BASE
P = struct.pack
ALL = 0xffffffff
FAMILIES = {}


def family(function):
    FAMILIES[function.__name__] = function
    return function


def place(*parts, size=0x2000):
    memory = bytearray(size)
    for offset, data in parts:
        memory[offset:offset + len(data)] = data
    return bytes(memory)


def vector(*texts):
    """An iovec at BASE with these contents."""
    head = b''.join(P('<QQ', B + 0x1000 + 0x100 * i, len(t)) for i, t in enumerate(texts))
    return place((0, head), *((0x1000 + 0x100 * i, t) for i, t in enumerate(texts)), size=0x4000)


COUNT4 = b''.join(P('<I', i) for i in range(1, 400))
COUNT8 = b''.join(P('<Q', i) for i in range(1, 400))

# Every structure once, with small numbers in 32-bit or 64-bit words.
STRUCTURES = [
    ('fstat', [1, B]), ('rt_sigaction', [2, B, 0, 8]), ('rt_sigaction', [2, 0, B, 8]),
    ('poll', [B, 3, 5]), ('select', [5, B, B + 8, 0, B + 16]), ('shmctl', [1, 1, B]),
    ('shmctl', [1, 2, B]), ('shmctl', [1, 3, B]), ('shmctl', [1, 14, B]), ('nanosleep', [B, B]),
    ('getitimer', [0, B]), ('setitimer', [0, B, B]), ('wait4', [1, B, 0, B]), ('uname', [B]),
    ('semop', [1, B, 2]), ('semctl', [1, 0, 1, B]), ('semctl', [1, 0, 2, B]),
    ('semctl', [1, 0, 3, B]), ('semctl', [1, 0, 16, 5]), ('semctl', [1, 0, 13, B]),
    ('semctl', [1, 0, 17, B]), ('msgctl', [1, 1, B]), ('msgctl', [1, 2, B]), ('msgctl', [1, 3, B]),
    ('msgctl', [1, 12, B]), ('msgsnd', [1, B, 8, 0]), ('fcntl', [1, 5, B]), ('fcntl', [1, 6, B]),
    ('fcntl', [1, 15, B]), ('fcntl', [1, 16, B]), ('gettimeofday', [B, B]), ('getrlimit', [1, B]),
    ('getrusage', [0, B]), ('sysinfo', [B]), ('times', [B]), ('capget', [B, B + 16]),
    ('capset', [B, B + 16]), ('rt_sigpending', [B, 8]), ('rt_sigtimedwait', [B, 0, 0, 8]),
    ('rt_sigqueueinfo', [1, 2, B]), ('rt_sigsuspend', [B, 8]), ('sigaltstack', [B, B]),
    ('utime', [B, B]), ('utime', [0, B]), ('ustat', [0x801, B]), ('statfs', [B, B]),
    ('fstatfs', [1, B]), ('sched_getparam', [1, B]), ('sched_setparam', [1, B]), ('prctl', [2, B]),
    ('prctl', [0x19, B]), ('prctl', [15, B]), ('prctl', [16, B]), ('prctl', [40, B]),
    ('adjtimex', [B]), ('settimeofday', [B, B]), ('time', [B]), ('sched_setaffinity', [1, 16, B]),
    ('io_setup', [1, B]), ('io_getevents', [1, 2, 3, B, B]), ('io_cancel', [1, B, B]),
    ('timer_create', [0, B, B]), ('timer_settime', [1, 0, B, B]), ('timer_gettime', [1, B]),
    ('epoll_ctl', [1, 1, 2, B]), ('utimes', [0, B]), ('mbind', [B, 1, 2, B, 100, 0]),
    ('get_mempolicy', [B, B, 70, 0, 0]), ('mq_open', [B, 0x40, 0o644, B]),
    ('mq_getsetattr', [1, B, B]), ('mq_notify', [1, B]), ('kexec_load', [B, 2, B, 0]),
    ('waitid', [1, 1, B, 0, B]), ('utimensat', [1, 0, B, 0]), ('ppoll', [B, 1, B, B, 8]),
    ('pselect6', [5, 0, 0, 0, B, B]), ('get_robust_list', [1, B, B]),
    ('splice', [1, B, 2, B, 3, 0]), ('move_pages', [1, 2, B, B, B, 0]), ('sendfile', [1, 2, B, 3]),
    ('prlimit64', [1, 2, B, B]), ('name_to_handle_at', [1, 0, B, B, 0]), ('getcpu', [B, B, 0]),
    ('process_vm_readv', [1, B, 2, B, 1, 0]), ('kcmp', [1, 2, 7, 3, B]),
    ('sched_setattr', [1, B, 0]), ('sched_getattr', [1, B, 48, 0]), ('seccomp', [1, 0, B]),
    ('seccomp', [2, 0, B]), ('seccomp', [3, 0, B]), ('statx', [1, 0, 0, 0, B]),
    ('io_pgetevents', [1, 2, 3, B, B, B]), ('io_uring_setup', [1, B]), ('clone3', [B, 88]),
    ('openat2', [1, 0, B, 24]), ('mount_setattr', [1, 0, 0, B, 32]),
    ('landlock_create_ruleset', [B, 8, 0]), ('landlock_add_rule', [1, 1, B, 0]),
    ('futex_waitv', [B, 2, 0, B, 0]), ('pipe', [B]), ('getgroups', [0, B]),
    ('getresuid', [B, B, B]), ('getsockname', [1, B, B]), ('accept', [1, B, B]),
    ('connect', [1, B, 16]), ('sendmsg', [1, B, 0]), ('recvmsg', [1, B, 0]),
    ('mincore', [B, 8192, B]), ('io_submit', [1, 2, B]), ('shmat', [1, B, 0]),
    ('execve', [B, B, B]), ('getdents64', [1, B, 100]), ('clock_gettime', [1, B]),
    ('arch_prctl', [0x1003, B]), ('epoll_wait', [1, B, 3, 4]), ('readv', [1, B, 2]),
    ('sched_rr_get_interval', [1, B]), ('setgroups', [3, B]), ('fanotify_mark', [1, 1, 1, -100, B]),
    ('memfd_create', [B, 0]), ('init_module', [B, 3, B]), ('quotactl', [0x80000700, B, 1, B]),
    ('sendmmsg', [1, B, 2, 0]), ('recvmmsg', [1, B, 2, 0, B]), ('futex', [B, 0, 1, B]),
    ('futex', [B, 5, 1, B, B, 0x41001002]), ('futex', [B, 9, 1, B, B, ALL]),
    ('futex', [B, 0xc, 1, 2, B, 4]), ('futex', [B, 3, 1, 2, B, 4]),
]


@family
def structures32():
    return [(n, a, COUNT4, e) for e in (0, 1) for n, a in STRUCTURES]


@family
def structures64():
    return [(n, a, COUNT8, e) for e in (0, 1) for n, a in STRUCTURES]


# Calls whose numbers strace 6.1 shows in a way of its own (see docs/design/events.md).
SPECIAL = {'modify_ldt', 'rt_sigreturn', 'restart_syscall', '_sysctl', 'bpf', 'perf_event_open'}


def everything(value):
    return [(n, [value] * 6, b'', 1) for n in sorted(numbers()) if n not in SPECIAL]


@family
def all_ones():
    return everything(-1)


@family
def all_zero():
    return everything(0)


@family
def all_one():
    return everything(1)


@family
def all_large():
    return everything(0x123456789abcdef0)


@family
def files():
    def st(mode):
        m = bytearray(144)
        struct.pack_into('<QQQIIIIQqqq', m, 0, 0xfe01, 7, 2, mode, 1, 2, 0, 0x8801, 12, 4096, 8)
        struct.pack_into('<QQQQQQ', m, 72, 1700000000, 5, 0, 0, 1, 999999999)
        return bytes(m)

    def fs(kind, flags):
        return P('<qqQQQQQiiqqq', kind, 4096, 100, 50, 40, 30, 20, 1, 2, 255, 4096, flags) + b'\0' * 40

    def sx(mode):
        m = bytearray(256)
        struct.pack_into('<IIQIIIHHQQQQ', m, 0, 0xfff, 4096, 0x10, 2, 1, 2, mode, 0, 77, 12, 8, 0x3030)
        for i in range(4):
            struct.pack_into('<qII', m, 64 + 16 * i, 1700000000 + i, i * 5, 0)
        struct.pack_into('<IIIIQ', m, 128, 8, 1, 254, 0, 99)
        return bytes(m)

    def times(a, b, c, d):
        return P('<qqqq', a, b, c, d)

    modes = (0o100644, 0o020620, 0o060660, 0o104755, 0o042775, 0o041777, 0o120777, 0o140755,
             0o010600, 0o150000, 0o107777)
    name = b'/etc/passwd\0'
    return ([('fstat', [1, B], st(m), 0) for m in modes] +
            [('mknod', [0, m, 0x8801], b'', 1) for m in modes] +
            [('statfs', [0, B], fs(k, f), 0) for k, f in (
                (0xef53, 0x1020), (0x01021994, 0x20), (0x9fa0, 0), (0x62656572, 0x1026),
                (0x794c7630, 0xffff), (0x12345, 0x40000), (0xff534d42, 0x20))] +
            [('statx', [-100, 0, 0, 0xfff, B], sx(0o100644), 0),
             ('statx', [-100, 0, 0, 0xfff, B], sx(0o20644), 0),
             ('mknodat', [-100, 0, 0o020620, 0x8801], b'', 1),
             ('open', [B, 0x410000, 0o600], name, 1), ('open', [B, 0x10000, 0o600], name, 1),
             ('open', [B, 0x42, 0o644], name, 0), ('creat', [B, 0o4755], name, 1),
             ('openat', [-100, B, 0x80041, 0o644], name, 1), ('openat', [5, B, 0], name, 0),
             ('mq_open', [0, 0, 0o600, B], b'', 1), ('umask', [0o22], b'', 0),
             ('access', [B, 7], name, 1), ('faccessat', [-100, B, 4], name, 1),
             ('faccessat2', [-100, B, 4, 0x200], name, 1), ('readlink', [B, B, 10], name, 0),
             ('getcwd', [B, 100], b'/tmp/x\0', 0), ('truncate', [B, 5], name, 0),
             ('utimensat', [-100, 0, B, 0], times(1, 0x3fffffff, 2, 0x3ffffffe), 0),
             ('utimensat', [-100, 0, B, 0], times(1700000000, 5, 2, 7), 0),
             ('utimensat', [-100, 0, B, 0], times(0, 0x3fffffff, 0, 0x3fffffff), 0),
             ('utimensat', [-100, 0, B, 0], times(0, -5, 0, 1000000000), 0),
             ('utimes', [0, B], times(1700000000, 5, 0, 0), 0),
             ('futimesat', [-100, 0, B], times(1700000000, 5, 0, 0), 0),
             ('lseek', [1, -5, 2], b'', 1), ('unlinkat', [-100, B, 0x200], name, 1),
             ('renameat2', [-100, B, -100, B, 2], name, 1), ('linkat', [-100, B, 5, B, 0x400], name, 1),
             ('symlinkat', [B, -100, B], name, 1), ('fchownat', [-100, B, -1, 100, 0x100], name, 1),
             ('setxattr', [B, B, B, 5, 1], name, 1), ('getxattr', [B, B, B, 5], name, 0),
             ('name_to_handle_at', [-100, B, B + 0x20, B + 0x60, 0],
              place((0, name), (0x20, P('<ii', 8, 1) + b'abcdefgh'), (0x60, P('<i', 30))), 0),
             ('open_by_handle_at', [-100, B, 0], P('<ii', 8, 1) + b'abcdefgh', 1),
             ('read', [0, B, 10], b'abc', 0), ('write', [1, B, 50], b'x\n\t"\\\1\0017\377' * 10, 0),
             ('write', [1, B, 32], b'y' * 32, 0), ('pwrite64', [1, B, 33, 7], b'y' * 33, 0),
             ('fallocate', [1, 3, 0, 4096], b'', 0), ('fadvise64', [1, 0, 0, 4], b'', 0),
             ('copy_file_range', [1, B, 2, 0, 5, 0], P('<q', 7), 0),
             ('sendfile', [1, 2, 0, 5], b'', 0), ('flock', [1, 6], b'', 0)])


@family
def vectors():
    return [('writev', [1, B, 3], vector(b'hello', b'', b'x' * 50), 0),
            ('pwritev2', [1, B, 1, 5, 0, 3], vector(b'abc'), 0),
            ('preadv2', [1, B, 1, 5, 0, 3], vector(b'abc'), 0),
            ('preadv', [1, B, 1, 5], vector(b'abc'), 1), ('vmsplice', [1, B, 1, 0], vector(b'abc'), 0),
            ('writev', [1, B, 16], vector(*[b'a'] * 16), 0), ('writev', [1, 0, 1], b'', 0),
            ('writev', [1, B, 0], vector(b'abc'), 0), ('readv', [1, B, 2], vector(b'abc', b'd'), 0),
            ('process_vm_writev', [1, B, 1, B + 32, 1, 0],
             P('<QQ', B + 64, 5).ljust(32, b'\0') + P('<QQ', 5, 6).ljust(32, b'\0') + b'hello', 0)]


def siginfo(signo, code, err=0, rest=b''):
    return P('<iiii', signo, err, code, 0) + rest + b'\0' * (112 - len(rest))


@family
def signals():
    two = (1 << 9) | (1 << 2)
    info = [(10, 0, P('<II', 100, 1000)), (10, -1, P('<IIiI', 100, 1000, 7, 0)),
            (10, -6, P('<II', 100, 1000)), (17, 1, P('<IIiiqq', 100, 1000, 3, 0, 5, 6)),
            (17, 2, P('<IIiiqq', 100, 1000, 9, 0, 5, 6)), (17, 5, P('<IIiiqq', 100, 1000, 19, 0, 0, 0)),
            (11, 1, P('<Q', 0x1234)), (11, 2, P('<Q', 0x1234)), (11, 128, P('<Q', 0)),
            (7, 2, P('<Q', 0x1234)), (8, 1, P('<Q', 0x401000)), (4, 1, P('<Q', 0x401000)),
            (5, 1, P('<Q', 0x401000)), (14, 128, b''), (29, 1, P('<qi', 1, 5)),
            (34, -2, P('<IIQ', 3, 1, 0x55)), (31, 1, P('<QII', 0x401000, 39, 0xc000003e)),
            (10, -3, P('<IIQ', 100, 1000, 0x55)), (10, -4, P('<IIQ', 100, 1000, 0x55)),
            (10, -5, P('<qi', 1, 5)), (11, 3, P('<QQQQ', 0x1234, 0, 1, 2)),
            (11, 4, P('<QQQ', 0x1234, 0, 1)), (10, -7, b''), (10, 3, P('<IIQ', 100, 1000, 0x55)),
            (7, 5, P('<QHHI', 0x1234, 1, 0, 0)), (10, 0x7fffffff, P('<IIQ', 1, 2, 3)),
            (17, -6, P('<II', 5, 6)), (5, 128, P('<Q', 0)), (29, 128, b'')]
    sets = ((1 << 64) - 1, ((1 << 64) - 1) & ~two, ALL, 0x1ffffffff)
    return ([('rt_sigprocmask', [0, B, B + 8, 8], P('<QQ', two, 0), 0)] +
            [('rt_sigprocmask', [0, B, 0, 8], P('<Q', s), 0) for s in sets] +
            [('rt_sigprocmask', [0, B, 0, n], P('<Q', two), 0) for n in (4, 16)] +
            [('rt_sigaction', [s, B, 0, n], P('<QQQQ', *a), 0) for s, n, a in (
                (10, 8, (0x401000, 0x14000004, 0x7ff000, 4)), (10, 8, (0, 0, 0, 0)),
                (10, 4, (1, 0x10000000, 0x7ff000, 4)), (32, 8, (1, 0x10000000, 0x7ff000, 4)),
                (10, 8, ((1 << 64) - 1, 0x4000000, 0, 0)))] +
            [('rt_sigqueueinfo', [1, s, B], siginfo(s, c, 0, r), 0) for s, c, r in info] +
            [('sigaltstack', [B, 0], P('<QIIQ', 0, 2, 0, 0), 0), ('kill', [-5, 15], b'', 0),
             ('tgkill', [1, 2, 0], b'', 0), ('kill', [1, 40], b'', 0), ('kill', [1, 99], b'', 0),
             ('pidfd_send_signal', [3, 10, B, 0], siginfo(10, 0, 0, P('<II', 100, 1000)), 0),
             ('signalfd4', [-1, B, 8, 0x80800], P('<Q', 5), 0),
             ('rt_sigtimedwait', [B, B + 8, B + 200, 8], P('<Q', 5) + siginfo(10, 0) + b'\0' * 200, 0)] +
            [('timer_create', [1, B, B + 64], P('<QiiQQ', 5, 10, n, 7, 8) + b'\0' * 32 + P('<i', 7), 0)
             for n in (0, 1, 2, 4, 9)] +
            [('mq_notify', [1, B], P('<QiiQQ', 5, 10, 2, 7, 8) + b'\0' * 32, 0)])


@family
def aio():
    def cb(data=0, key=0, rw=0, op=0, prio=0, fd=0, buf=0, n=0, off=0, flags=0, resfd=0):
        return P('<QIIHhIQQqQII', data, key, rw, op, prio, fd, buf, n, off, 0, flags, resfd)

    def submit(*blocks):
        return place((0, b''.join(P('<Q', B + 0x100 + 64 * i) for i in range(len(blocks)))),
                     (0x100, b''.join(blocks)), (0x800, b'hello world\0'))

    at = B + 0x800
    return ([('io_submit', [1, 1, B], submit(cb(op=o, fd=3, buf=at, n=5, off=7, data=9)), 0)
             for o in range(9)] +
            [('io_submit', [1, 2, B],
              submit(cb(op=1, fd=3, buf=at, n=5, off=7, flags=1, resfd=4, rw=8, prio=5, key=2),
                     cb(op=0, fd=3, buf=at, n=50)), 0),
             ('io_cancel', [1, B + 0x100, 0], submit(cb(op=1, fd=3, buf=at, n=5, data=5)), 0)])


@family
def addresses():
    inet6 = lambda text: socket.inet_pton(socket.AF_INET6, text)
    names = [P('<H', 1) + b'/tmp/sock\0', P('<H', 1) + b'\0abs', P('<H', 1), P('<H', 1) + b'x' * 108,
             P('<H', 2) + P('>H', 80) + bytes([127, 0, 0, 1]) + b'\0' * 8,
             P('<H', 10) + P('>H', 443) + P('>I', 5) + inet6('fe80::1') + P('<I', 0),
             P('<H', 10) + P('>H', 443) + P('>I', 0) + inet6('::1') + P('<I', 0),
             P('<H', 10) + P('>H', 443) + P('>I', 0) + inet6('::ffff:1.2.3.4') + P('<I', 1),
             P('<HHII', 16, 0, 123, 5), P('<HHII', 16, 0, 0, 0),
             P('<HHiHBB', 17, 0x0300, 1, 1, 0, 6) + b'\1\2\3\4\5\6\0\0',
             P('<H', 0) + b'\0' * 14, P('<H', 0) + b'abcdefghijklmn',
             P('<HHIIB', 40, 0, 1234, 2, 0) + b'\0\0\0', P('<H', 99) + b'abcd', b'\1',
             P('<H14sII64s', 38, b'hash', 0, 0, b'sha256'), P('<HxxiII', 29, 3, 5, 6),
             P('<H', 2) + b'\0\1', P('<HHIIII', 16, 7, 123, 5, 1, 2)]
    whole = P('<H', 1) + b'/tmp/sock\0'
    return ([('connect', [3, B, len(n)], n.ljust(200, b'\0'), 0) for n in names] +
            [('connect', [3, B, 0], whole, 0), ('connect', [3, 0, 5], b'', 0),
             ('connect', [3, B, 1], whole, 0), ('connect', [3, B, 200], whole, 0),
             ('connect', [3, B, -1], whole, 0),
             ('accept', [3, B, B + 16], place((0, names[4]), (16, P('<i', 16))), 0),
             ('sendto', [3, B, 5, 0x4000, B + 16, 16], place((0, b'hello'), (16, names[4])), 0),
             ('recvfrom', [3, B, 5, 0x40, B + 16, B + 40],
              place((0, b'hello'), (16, names[4]), (40, P('<i', 16))), 0)] +
            [('socket', a, b'', 0) for a in ([2, 0x80801, 6], [1, 1, 6], [17, 3, 0x300], [16, 3, 0],
                                             [10, 2, 0], [99, 1, 2], [1, 77, 0])] +
            [('socketpair', [1, 0x80001, 0, B], P('<ii', 3, 4), 0), ('shutdown', [3, 1], b'', 0),
             ('listen', [3, 128], b'', 0), ('bind', [3, B, 16], names[4], 0)])


@family
def messages():
    def cm(level, kind, data):
        size = 16 + len(data)
        return P('<Qii', size, level, kind) + data + b'\0' * (-size % 8)

    def header(name=0, size=0, iov=B + 0x200, n=1, control=0, length=0, flags=0):
        return P('<QIxxxxQQQQIxxxx', name, size, iov, n, control, length, flags)

    un = P('<H', 1) + b'/tmp/s\0'
    controls = [cm(1, 1, P('<ii', 5, 6)), cm(1, 2, P('<iII', 10, 0, 0)), cm(1, 29, P('<qq', 1, 2)),
                cm(1, 35, P('<qq', 1, 2)),
                cm(0, 8, P('<i4s4s', 1, bytes([127, 0, 0, 1]), bytes([1, 2, 3, 4]))),
                cm(0, 2, P('<i', 64)), cm(0, 1, b'\x10'), cm(41, 50, b'\0' * 16 + P('<i', 2)),
                cm(41, 52, P('<i', 64)), cm(1, 77, b'abc'), cm(0, 99, b'abc'), cm(6, 1, b'abc'),
                cm(1, 37, P('<6q', 1, 2, 3, 4, 5, 6)),
                cm(0, 11, P('<IBBBBII', 5, 2, 0, 0, 0, 0, 0) + P('<H', 2) + P('>H', 80) +
                   bytes([1, 2, 3, 4]) + b'\0' * 8),
                cm(1, 1, P('<ii', 5, 6)) + cm(1, 2, P('<iII', 10, 0, 0)), cm(1, 1, b''),
                P('<Qii', 5, 1, 1), cm(1, 3, b'selinux\0'), cm(0, 16, b'x'), cm(0, 7, b'abcd'),
                cm(0, 20, P('<HH4s8x', 2, 0x5000, bytes([1, 2, 3, 4])))]
    rest = [(0x100, un), (0x200, P('<QQ', B + 0x300, 5)), (0x300, b'hello')]
    calls = []
    for c in controls:
        calls.append(('sendmsg', [3, B, 0x4000], place(
            (0, header(B + 0x100, len(un), control=B + 0x400, length=len(c))), (0x400, c), *rest), 0))
    plain = place((0, header(B + 0x100, len(un), n=0, flags=0x20)), *rest)
    control = place((0, header(B + 0x100, 110, control=B + 0x400, length=24)),
                    (0x400, cm(1, 1, P('<i', 5))), *rest)
    return calls + [('recvmsg', [3, B, 0], plain, 0), ('sendmsg', [3, B, 0], plain, 1),
                    ('recvmsg', [3, B, 0], control, 0), ('recvmsg', [3, B, 0], control, 1),
                    ('sendmmsg', [3, B, 1, 0], control, 0), ('recvmmsg', [3, B, 1, 0, 0], control, 0),
                    ('recvmmsg', [3, B, 1, 0, B + 0x1000], control, 0)]


@family
def options():
    sets = [([1, 2, B, 4], P('<i', 1)), ([1, 13, B, 8], P('<ii', 1, 5)),
            ([1, 20, B, 16], P('<qq', 1, 5)),
            ([1, 26, B, 16], P('<HxxxxxxQ', 1, B + 16) + P('<HBBI', 6, 0, 0, 0xffff)),
            ([1, 25, B, 4], b'lo\0\0'), ([6, 1, B, 4], P('<i', 1)), ([6, 13, B, 5], b'cubic'),
            ([0, 35, B, 8], bytes([224, 0, 0, 1, 0, 0, 0, 0])),
            ([41, 20, B, 20], b'\xff\x02' + b'\0' * 13 + b'\1' + P('<i', 1)),
            ([263, 1, B, 16], P('<iHH8s', 1, 1, 6, b'abcdefgh')), ([1, 2, B, 2], P('<i', 1)),
            ([1, 2, B, 0], P('<i', 1)), ([1, 2, B, 8], P('<ii', 1, 2)), ([99, 2, B, 8], P('<ii', 1, 2)),
            ([270, 1, B, 4], P('<i', 3)), ([1, 37, B, 4], P('<i', 3)), ([41, 26, B, 4], P('<i', 1)),
            ([263, 5, B, 16], P('<IIII', 1, 2, 3, 4)), ([6, 19, B, 4], P('<i', -1)),
            ([0, 32, B, 4], bytes([127, 0, 0, 1])), ([1, 50, B, 4], P('<i', 7)), ([1, 2, 0, 4], b''),
            ([1, 2, B, -1], P('<i', 1)), ([17, 103, B, 4], P('<i', 6)), ([1, 62, B, 4], P('<i', 1)),
            ([0, 64, B, 40], b'abc' + b'\0' * 60)]
    gets = [([1, 3], P('<i', 1), 4), ([1, 4], P('<i', 111), 4), ([1, 17], P('<iII', 5, 6, 7), 12),
            ([1, 13], P('<ii', 5, 6), 8), ([1, 20], P('<qq', 5, 6), 16), ([1, 31], b'abc', 4),
            ([6, 11], b'\1' * 32, 4), ([1, 7], P('<i', 1), 0), ([1, 7], P('<i', 1), 2),
            ([1, 38], P('<i', 6), 4), ([1, 39], P('<i', 2), 4), ([263, 6], P('<III', 1, 2, 3), 12),
            ([6, 13], b'cubic\0', 16), ([1, 59], P('<III', 1, 2, 3), 12),
            ([1, 55], P('<IIIIIIII', 1, 2, 3, 4, 5, 6, 7, 8), 32), ([0, 4], b'\1' * 32, 4),
            ([1, 25], b'lo\0', 16), ([1, 57], P('<Q', 77), 8), ([1, 36], P('<Q', 77), 8)]
    return ([('setsockopt', [3] + a, m.ljust(64, b'\0'), 0) for a, m in sets] +
            [('getsockopt', [3] + a + [B, B + 32], m.ljust(32, b'\0') + P('<i', n), e)
             for e in (0, 1) for a, m, n in gets])


@family
def processes():
    clones = [[0x11, 0, B, B, 0], [0x1200011, 0, 0, B + 0x40, 0],
              [0x3d0f00, 0x7f0000, B, B + 8, 0x7e00], [0x1011, 0, B, 0, 0], [0x500111, 0, B, 0, 0],
              [0x80, 0, 0, 0, 0], [0x1d, 0, 0, 0, 0], [0, 0x123, 0, 0, 0], [0x4111, 0, 2, 3, 4],
              [0x7fffff11, 1, 2, 3, 4]]
    clone3s = [([B, 88], P('<11Q', 0x11000 | 0x1000000 | 0x200000 | 0x80000 | 0x100000, B + 0x200,
                           B + 0x208, B + 0x210, 17, 0x7000, 0x1000, 0x8000, B + 0x300, 1, 0)
                .ljust(0x200, b'\0') + P('<Qqq', 7, 8, 9).ljust(0x100, b'\0') + P('<i', 55)),
               ([B, 64], P('<8Q', 0x4100, 0, 0, 0, 17, 0x7000, 0x1000, 0x8000)),
               ([B, 10], b'\0' * 20)]
    arguments = b'/bin/ls\0'.ljust(16, b'\0') + P('<QQ', B, 0) + P('<QQ', B, 0)
    attr = P('<IIQiIQQQII', 56, 0, 0x61, -5, 0, 0, 0, 0, 100, 200)
    caps = P('<II', 0x20080522, 0)
    return ([('clone', a, P('<ii', 5, 6), e) for e in (0, 1) for a in clones] +
            [('clone3', a, m, e) for e in (0, 1) for a, m in clone3s] +
            [('execve', [B, B + 0x10, B + 0x20], arguments, 0),
             ('execve', [B, B + 0x10, B + 0x28], arguments, 0),
             ('execveat', [-100, B, B + 0x10, B + 0x20, 0x1000], arguments, 0),
             ('wait4', [-1, B, 0x40000002, 0], P('<i', 0), 0),
             ('sched_setattr', [0, B, 0], P('<IIQiIQQQII', 48, 6, 1, 5, 7, 1000, 2000, 3000, 0, 0), 0),
             ('sched_setattr', [0, B, 0], attr, 0), ('sched_getattr', [0, B, 56, 0], attr, 0),
             ('sched_getattr', [0, B, 48, 0], P('<IIQiIQQQII', 48, 1, 0, 0, 5, 0, 0, 0, 0, 0), 0),
             ('sched_setscheduler', [0, 1, B], P('<i', 5), 0), ('sched_getscheduler', [0], b'', 0),
             ('getpriority', [0, 0], b'', 0), ('setpriority', [0, 0, -5], b'', 0),
             ('personality', [ALL], b'', 0), ('personality', [0x40008], b'', 0),
             ('arch_prctl', [0x1002, B], b'', 0), ('kcmp', [1, 2, 1, 0, 0], b'', 0),
             ('kcmp', [1, 2, 0, 3, 4], b'', 0),
             ('capset', [B, B + 8], caps + P('<6I', ALL, 5, 0, 0x1ff, 1, 0), 0),
             ('capget', [B, B + 8], P('<II', 0x19980330, 0) + P('<3I', 1, 2, 0), 0),
             ('capget', [B, 0], caps, 0),
             ('prlimit64', [0, 7, B, B], P('<QQ', 1024, (1 << 64) - 1), 0),
             ('prlimit64', [0, 7, B, B], P('<QQ', 1048576, 4096 * 3), 0),
             ('prlimit64', [0, 7, B, B], P('<QQ', 1025, 1536), 0),
             ('unshare', [0], b'', 0), ('setns', [3, 0x4000000], b'', 0),
             ('waitid', [1, 5, B, 4, 0], P('<iiiiIIiiqq', 17, 0, 1, 0, 100, 1000, 3, 0, 5, 6)
              .ljust(200, b'\0'), 0), ('waitid', [1, 5, B, 4, 0], b'\0' * 200, 0),
             ('ioprio_set', [1, 0, (2 << 13) | 4], b'', 1), ('ioprio_get', [1, 0], b'', 0),
             ('exit', [3], b'', 1), ('exit_group', [300], b'', 1), ('getpid', [], b'', 0)])


@family
def tracing():
    m = P('<QQ', B + 0x100, 16)
    requests = [0, 1, 2, 4, 5, 7, 8, 9, 12, 13, 16, 17, 24, 31, 32, 33, 0x4201, 0x4202, 0x4203,
                0x4207, 0x4208]
    return ([('ptrace', [r, 5, 6, B], m, 0) for r in requests] +
            [('ptrace', [24, 5, 6, s], b'', 0) for s in (0, 9, 17, 70)] +
            [('ptrace', [0x4200, 5, 6, o], b'', 0) for o in (0, 1, 0x1000ff, 0x300000)] +
            [('ptrace', [0x420a, 5, 8, B], m, 0), ('ptrace', [0x4204, 5, 1, B], m, 0)])


@family
def ipc():
    m = COUNT4[:80].ljust(200, b'\0')
    return ([('shmctl', [1, c, B], m, 0) for c in (0, 1, 2, 3, 11, 13, 14, 15, 258, 77)] +
            [('semctl', [1, 2, c, B], m, 0) for c in (0, 1, 2, 3, 11, 13, 18, 19, 77)] +
            [('msgctl', [1, c, B], m, 0) for c in (0, 1, 2, 3, 11, 12)] +
            [('semctl', [1, 2, 12, 0], m, 0), ('shmget', [0, 4096, 0o1600], b'', 0),
             ('shmget', [0x123, 4096, 0o7777], b'', 0), ('semget', [5, 3, 0o3644], b'', 0),
             ('msgrcv', [1, B, 5, 0, 0], P('<Q', 3) + b'hello', 0),
             ('msgsnd', [1, B, 50, 0x800], P('<Q', 3) + b'hello' * 20, 0), ('shmat', [1, 0, 0x1000], b'', 0),
             ('semtimedop', [1, B, 1, B], P('<HhhH', 1, -2, 0x1800, 0) + b'\0' * 8, 0)])


@family
def memory():
    nodes = P('<QQ', 1, 1)
    return ([('mremap', [B, 4096, 8192, f, B], b'', 0) for f in (0, 1, 3, 4)] +
            [('mmap', [0, 8192, 3, f, -1, 0x26000], b'', 1) for f in (
                0x22, 0x21, 3, 4, 0x40022 | (21 << 26), 0x812, 0x100022)] +
            [('mbind', [B, 4096, 2, B, n, 1], nodes, 0) for n in (0, 64, 65, 100)] +
            [('brk', [0x55550000], b'', 0), ('mincore', [B, 4096 * 40, B], bytes(range(60)), 0),
             ('mincore', [B, 4096 * 3, B], b'\1\0\3', 0), ('munmap', [B, 4096], b'', 0),
             ('mprotect', [B, 4096, 5], b'', 0), ('madvise', [B, 4096, 4], b'', 0),
             ('get_mempolicy', [B, 0, 0, 0, 4], b'\7\0\0\0', 0),
             ('get_mempolicy', [B, B + 8, 64, B, 3], b'\7\0\0\0'.ljust(8, b'\0') + P('<Q', 5), 0),
             ('mbind', [B, 0, 0xe003, 0, 0, 0], b'', 1), ('mbind', [B, 0, 0xe077, 0, 0, 0], b'', 1),
             ('migrate_pages', [1, 64, B, B], nodes, 0),
             ('move_pages', [1, 2, B, 0, B + 16, 2], P('<QQii', B, B, 0, -14), 0),
             ('move_pages', [1, 2, B, B + 16, B + 24, 2], P('<QQiiii', B, B, 0, 1, 0, -2), 0),
             ('set_mempolicy', [1, 0, 0], b'', 0), ('pkey_alloc', [0, 1], b'', 0),
             ('memfd_create', [B, 4 | (21 << 26)], b'abc' + b'x' * 300, 0),
             ('msync', [B, 4096, 4], b'', 0), ('mlock2', [B, 1, 1], b'', 0),
             ('remap_file_pages', [B, 4096, 0, 1, 0], b'', 1)])


@family
def waiting():
    return [('poll', [B, 2, -1], P('<iHHiHH', 3, 1, 0, -1, 4, 0), 1),
            ('select', [70, B, 0, B + 16, 0], P('<QQQQ', 5, 1, 0, 0), 1),
            ('epoll_ctl', [3, 1, 4, B], P('<IQ', 0x80000001, 77), 0),
            ('epoll_ctl', [3, 2, 4, B], P('<IQ', 0x80000001, 77), 0),
            ('epoll_pwait', [1, B, 2, -1, B, 8], P('<IQIQ', 1, 5, 4, 6), 0),
            ('epoll_pwait2', [1, B, 2, B, B, 8], P('<QQ', 1, 5), 0),
            ('eventfd2', [5, 0x80801], b'', 0), ('timerfd_settime', [3, 1, B, 0], P('<4q', 1, 2, 3, 4), 0),
            ('clock_nanosleep', [1, 1, B, 0], P('<qq', 1, 5), 0), ('alarm', [5], b'', 0),
            ('io_uring_setup', [4, B], P('<10I', 4, 8, 0, 0, 0, 7, 0, 0, 0, 0) +
             P('<10I', 0, 64, 256, 264, 276, 272, 320, 0, 0, 0) +
             P('<10I', 128, 192, 260, 268, 284, 64, 0, 0, 0, 0), 0),
            ('io_uring_enter', [3, 1, 1, 1, B, 8], P('<Q', 2), 0),
            ('io_uring_enter', [3, 1, 1, 9, B, 24], P('<Q', 2), 0)]


@family
def futexes():
    m = P('<qq', 1, 2)
    ops = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x80, 0x81, 0x86, 0x8d, 0x180, 0x189,
           0x109, 0x106]
    return ([('futex', [B, o, 1, B, B, 4], m, 0) for o in ops] +
            [('futex', [B, 5, 1, 2, B, o], b'', 0) for o in (
                0, 0x12003004, 0x53fff001, 0x80005001, 0xa5001002, 0x61001002, 0xf0001000)] +
            [('futex', [B, 9, 1, B, 0, ALL], m, 0), ('futex', [B, 10, 1, 0, 0, ALL], m, 0),
             ('futex', [B, 10, 1, B, B, 0xff], m, 0), ('futex', [B, 6, 1, 0, 0, 0], b'', 0)])


@family
def controls():
    abc = b'abc\0'
    calls = [
        ('quotactl', [0x80000100, 0, 0, 0], b''), ('quotactl', [0x80000300, B, 2, B], abc),
        ('quotactl', [0x80000200, B, 2, B], b'/dev/sda\0'),
        ('quotactl', [0x80000800, B, 2, B], P('<8QI', 1, 2, 3, 4, 5, 6, 7, 8, 9)),
        ('syslog', [3, B, 10], abc), ('syslog', [8, 0, 5], b''), ('syslog', [6, 0, 5], b''),
        ('sethostname', [B, 5], b'hello'), ('mount', [B, B, B, 0xc0ed0001, B], abc),
        ('mount', [B, B, B, 0x1000, B], abc), ('mount', [B, B, B, 0x20, B], abc),
        ('mount', [B, B, B, 0x400, B], abc), ('umount2', [B, 2], abc),
        ('fsconfig', [3, 1, B, B, 0], abc), ('fsconfig', [3, 0, B, 0, 0], abc),
        ('fsconfig', [3, 5, B, 0, 7], abc), ('fsconfig', [3, 3, B, B, -100], abc),
        ('fsconfig', [3, 6, 0, 0, 0], b''), ('keyctl', [0, -3, 1], b''), ('keyctl', [1, B], abc),
        ('keyctl', [2, 5, B, 3], abc), ('keyctl', [6, 5, B, 3], abc), ('keyctl', [11, 5, B, 30], abc),
        ('keyctl', [10, -3, B, B, 0], abc), ('keyctl', [18], b''), ('add_key', [B, B, B, 3, -2], abc),
        ('request_key', [B, B, 0, -2], abc), ('acct', [0], b''), ('swapon', [B, 0x8005], abc),
        ('landlock_create_ruleset', [0, 0, 1], b''),
        ('landlock_create_ruleset', [B, 16, 0], P('<QQ', 1, 3)),
        ('openat2', [-100, B, B + 8, 24], b'abc'.ljust(8, b'\0') + P('<QQQ', 0x80000, 0, 4)),
        ('openat2', [-100, B, B + 8, 24], b'abc'.ljust(8, b'\0') + P('<QQQ', 0x80040, 0o644, 0)),
        ('openat2', [-100, B, B + 8, 32], b'abc'.ljust(8, b'\0') + P('<QQQQ', 0x80040, 0o644, 0, 5)),
        ('openat2', [-100, B, B + 8, 8], abc),
        ('mount_setattr', [-100, B, 0x8000, B + 8, 32],
         b'abc'.ljust(8, b'\0') + P('<QQQQ', 1, 2, 0x40000, 0)),
        ('mount_setattr', [-100, B, 0x8000, B + 8, 40],
         b'abc'.ljust(8, b'\0') + P('<QQQQQ', 1, 2, 0, 5, 6)),
        ('membarrier', [0, 0, 0], b''), ('membarrier', [8, 1, 2], b''),
        ('seccomp', [2, 0, B], P('<I', 0x7fff0000)), ('seccomp', [1, 0xff, 0], b''),
        ('reboot', [0xfee1dead, 672274793, 0xa1b2c3d4, B], abc),
        ('reboot', [0xfee1dead, 672274793, 0x1234567, 0], b''), ('kexec_load', [0, 0, 0, 0x3e0003], b''),
        ('fanotify_init', [0xfff3, 0x8002], b''), ('getrandom', [B, 16, 1], b'\xff' * 16),
        ('uname', [B], b'Linux'.ljust(65, b'\0') + b'host'.ljust(65, b'\0')), ('time', [0], b''),
        ('times', [0], b''), ('clock_adjtime', [0, B], b'\0' * 208),
        ('adjtimex', [B], P('<I', 0x4000) + b'\1' * 204)]
    return [(n, a, m, 0) for n, a, m in calls]


@family
def prctls():
    calls = [[41, 1, 2, 3, 4], [47, 2, 3, 0, 0], [23, 77], [62, 1, 2, 3, 4][:1], [0x59616d61, -1],
             [35, 13, 2, 3, 4], [3, 0], [27], [36, 5], [37, B], [29, -5], [38, 1, 2, 3, 4], [13],
             [34, 1, 2], [5, B], [7], [22, 2, B], [33, 1, 2, 0, 0], [9, B], [0x15], [30], [1, 9],
             [4, 1], [8, 1], [24, 12], [26, 1], [28, 3], [15, B], [59, 1, 2, 3, 4], [53, 0, 2]]
    done = [c for c in calls if c[0] not in (62, 33)]
    return [('prctl', c, P('<i', 3), e) for e in (0, 1) for c in done]


@family
def fcntls():
    calls = [[1], [3], [0x40a], [1025], [10, 3], [11], [8, -5], [9], [1029], [1031, 4096], [1030, -1],
             [0, 7], [2, 1], [4, 0x8800], [1024, 1], [1026, 3], [1033, 5], [5, B], [6, B], [36, B],
             [77, 5]]
    return [('fcntl', [1] + c, P('<hhqqi', 1, 0, 5, 6, 7), 0) for c in calls if c[0] != 1029]


@family
def ioctls():
    def termios(i, o, c, l):
        return P('<IIII', i, o, c, l) + bytes([0]) + bytes(range(1, 20)) + P('<II', 9600, 9600)

    def interface(data):
        return b'eth0'.ljust(16, b'\0') + data.ljust(24, b'\0')

    inet = P('<H', 2) + b'\0\0' + bytes([10, 0, 0, 1])
    requests = (0x8913, 0x8915, 0x8919, 0x891b, 0x891d, 0x8921, 0x8927, 0x8933, 0x8942, 0x8970,
                0x8910, 0x8914, 0x8916, 0x8922, 0x8924)
    others = [(0x40049409, 5), (0x4004667e, B), (0x5421, B), (0x541b, B), (0x540b, 2), (0x5409, 1),
              (0x540e, 1), (0x1277, B), (0x80081272, B), (0x1260, B), (0x5410, B), (0x540f, B),
              (0x80045430, B), (0x40045431, B), (0x5422, 0), (0x12345678, B), (0xc0105555, B),
              (0x2400, 0), (0x80045200, B), (0x40086602, B), (0x80086601, B), (0x5451, 0), (0x5450, 0),
              (0x5413, B), (0x5414, B)]
    return ([('ioctl', [1, r, B], termios(*t), 0) for r in (0x5401, 0x5402, 0x802c542a) for t in (
                (0x500, 5, 0xbf, 0x8a3b), (0, 0x1800, 0x30f1002, 2))] +
            [('ioctl', [3, r, B], interface(inet), e) for e in (0, 1) for r in requests] +
            [('ioctl', [3, r, a], P('<QQ', 5, 6), e) for e in (0, 1) for r, a in others] +
            [('ioctl', [3, 0x8912, B], P('<iiQ', 80, 0, B + 0x100).ljust(0x100, b'\0') +
              interface(inet) * 2, 0), ('ioctl', [3, 0x8912, B], P('<iiQ', 80, 0, 0), 0)])


def numbers():
    """The calls strace 6.1 knows, by the tables of the system's headers."""
    found = {}
    for line in open('/usr/include/x86_64-linux-gnu/asm/unistd_64.h'):
        word = line.split()
        if len(word) == 3 and word[1].startswith('__NR_'):
            found[word[1][5:]] = int(word[2])
    return found


def write(calls, path):
    table = numbers()
    with open(path, 'wb') as out:
        for name, arguments, memory, fails in calls:
            a = [v & MASK for v in arguments] + [0] * (6 - len(arguments))
            out.write(P('<II6QII', table[name], fails, *a, len(memory), 0) + memory)


if __name__ == '__main__':
    if sys.argv[1] == '--list':
        print('\n'.join(FAMILIES))
    else:
        wanted = sys.argv[2:] or FAMILIES
        write([call for name in wanted for call in FAMILIES[name]()], sys.argv[1])
