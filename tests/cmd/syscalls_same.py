# SPDX-License-Identifier: Apache-2.0
"""Compares traces of the same program by strace and by chop syscalls, both with -f -o.

syscalls_same.py SOURCE STRACE CHOP [filtered]: each thread must have done the same in the same order.
Process ids, addresses, inode numbers, times and random bytes are replaced first; calls that
were interrupted by others' lines are put together. What may differ nevertheless is listed in
syscalls_differences.txt. Threads are compared in the order they appear in.
"""
import os
import re
import sys

LINE = re.compile(r'^(\d+) +(.*)$')
RESUMED = re.compile(r'^((?:[\d:.]+ )?)<\.\.\. (\w+) resumed>(.*)$')
CLOCK = re.compile(r'^(\d\d:\d\d:\d\d(\.\d{6})?|\d{10}\.\d{6}) ')
TOOK = re.compile(r' <\d+\.\d{6}>$')
PLAIN = [
    (re.compile(r'0x[0-9a-f]{5,16}\b'), 'ADDRESS'),
    (re.compile(r'\b(pipe|socket|anon_inode|mnt|net):\[\d+\]'), r'\1:[INODE]'),
    (re.compile(r'\b(st_ino|stx_ino|l_pid|st_dev|stx_mnt_id)=[^,}]+'), r'\1=N'),
    (re.compile(r'\b(st_[amc]time(?:_nsec)?|stx_[amcb]time)=[^,}]+'), r'\1=TIME'),
    (re.compile(r'\bd_(ino|off)=\d+'), r'd_\1=N'),
    (re.compile(r'(?<=/#)\d+'), 'INODE'),
    (re.compile(r'\bmakedev\([^)]*\)'), 'DEVICE'),
    (re.compile(r'/\* [-0-9T:.+]+ \*/'), '/* TIME */'),
    (re.compile(r'\btv_(u|n)?sec=-?\d+'), r'tv_\1sec=TIME'),
    (re.compile(r'\b(ru_\w+|f_\w+|tms_\w+|si_[us]time|tick|maxerror|esterror|freq|offset|time)='
                r'[^,}]+'), r'\1=N'),
    (re.compile(r'^(getrandom\()"[^"]*"'), r'\1RANDOM'),
    (re.compile(r'port=htons\(\d{5}\)'), 'port=PORT'),
    (re.compile(r'\bnl_pid=\d+'), 'nl_pid=N'),
    (re.compile(r'^(times|brk|clock_gettime|time|sched_getaffinity)\((.*)\) += .*$'),
     r'\1(\2) = N'),
    (re.compile(r'^((?:sem|shm|msg)\w+\()\d+'), r'\1ID'),
    (re.compile(r'^((?:sem|shm|msg)get\(.*\)) += \d+$'), r'\1 = ID'),
    (re.compile(r'^(getrusage|statfs|fstatfs|sysinfo|adjtimex|uname)\(.*\{.*$'), r'\1(...)'),
    (re.compile(r'^(add_key|request_key)\((.*)\) += \d+$'), r'\1(\2) = N'),
    (re.compile(r'^(kcmp\(.*\)) += [12]$'), r'\1 = ORDER'),
    (re.compile(r'\) +(= )'), r') \1'),
]


def threads(path):
    """Lists of lines by thread, in order of appearance; and the pids in that order."""
    found, open_calls = {}, {}
    with open(path, errors='surrogateescape') as file:
        for line in file:
            match = LINE.match(line.rstrip('\n'))
            if not match:
                raise SystemExit(f'{path}: no thread id in front: {line}')
            pid, text = match.groups()
            lines = found.setdefault(pid, [])
            resumed = RESUMED.match(text)
            if resumed and pid in open_calls:
                lines[open_calls.pop(pid)] += resumed.group(3)
                continue
            if resumed and resumed.group(2) == 'execve':
                continue  # by another thread, which has become this one
            if text.endswith(' <unfinished ...>'):
                open_calls[pid] = len(lines)
                text = text[:-len(' <unfinished ...>')]
            lines.append(text)
    return found


def normalised(line):
    """Without what differs from run to run, but with process ids."""
    clock = CLOCK.match(line)
    took = TOOK.search(line)
    line = line[clock.end() if clock else 0:took.start() if took else None]
    for pattern, replacement in PLAIN:
        line = pattern.sub(replacement, line)
    return ('CLOCK ' if clock else '') + line + (' <TOOK>' if took else '')


def same(x, y, pids_x, pids_y):
    """Equal, where the id of a process may stand for that of its counterpart."""
    x, y = re.split(r'(\d+)', x), re.split(r'(\d+)', y)
    return len(x) == len(y) and all(
        a == b or (a in pids_x and pids_x[a] == pids_y.get(b)) for a, b in zip(x, y))


def justified(*sources):
    path = os.path.join(os.path.dirname(__file__), 'syscalls_differences.txt')
    for line in open(path):
        if line.startswith('#') or not line.strip():
            continue
        where, pattern, _reason = (part.strip() for part in line.split(' | '))
        if where in sources:
            yield re.compile(pattern)


def without(threads, patterns, filtered):
    """Threads without the lines that only strace shows when a filter does not ask for them."""
    if not filtered:
        return threads
    return {pid: [line for line in lines if not any(p.search(line) for p in patterns)]
            for pid, lines in threads.items()}


def main(source, theirs, ours, filtered=False):
    theirs, ours = threads(theirs), threads(ours)
    theirs = without(theirs, list(justified('filtered')), filtered)
    pids_x = {pid: i for i, pid in enumerate(theirs)}
    pids_y = {pid: i for i, pid in enumerate(ours)}
    known = list(justified('all', source))
    lines = wrong = expected = 0
    if len(theirs) != len(ours):
        print(f'{len(theirs)} threads in strace\'s trace, {len(ours)} in chop\'s')
        wrong += 1
    for index, (a, b) in enumerate(zip(theirs.values(), ours.values())):
        lines += len(a)
        if len(a) != len(b):
            print(f'thread {index}: {len(a)} lines of strace, {len(b)} of chop')
            wrong += 1
            print(*(line[:99] for line in [*a, "chop:", *b]), sep="\n  ")
        for x, y in zip(map(normalised, a), map(normalised, b)):
            if same(x, y, pids_x, pids_y):
                continue
            if any(pattern.search(x.removeprefix('CLOCK ')) for pattern in known):
                expected += 1
                continue
            wrong += 1
            if wrong < 12:
                print(f'thread {index}\nstrace: {x[:500]}\n  chop: {y[:500]}')
    print(f'{len(theirs)} threads, {lines} lines, {expected} different for a known reason')
    return 1 if wrong else 0


sys.exit(main(*sys.argv[1:]))
