# SPDX-License-Identifier: Apache-2.0
"""Compares what strace and chop syscalls wrote of the calls of syscalls_pretend.

syscalls_compare.py SOURCE STRACE CHOP: both outputs; line by line they must be the same but for
what syscalls_differences.txt lists, with its reason. Prints what differs, and how many.
"""
import os
import re
import sys

MARK = 'write(1, "", 0)'


def pretended(path):
    """The lines after the mark, without signals and the end."""
    with open(path, errors='surrogateescape') as file:
        lines = file.read().split('\n')
    first = next(i for i, line in enumerate(lines) if line.startswith(MARK))
    lines = [line for line in lines[first + 1:] if line and not line.startswith('--- ')]
    last = max(i for i, line in enumerate(lines) if line.startswith('exit_group('))
    return lines[:last]


def justified(source):
    """Patterns of lines of strace's that we show differently."""
    path = os.path.join(os.path.dirname(__file__), 'syscalls_differences.txt')
    for line in open(path):
        if line.startswith('#') or not line.strip():
            continue
        where, pattern, _reason = (part.strip() for part in line.split(' | '))
        if where in ('all', source):
            yield re.compile(pattern)


def main(source, theirs, ours):
    theirs, ours = pretended(theirs), pretended(ours)
    known = list(justified(source))
    wrong = expected = 0
    for a, b in zip(theirs, ours):
        if a == b:
            continue
        if any(pattern.search(a) for pattern in known):
            expected += 1
            continue
        wrong += 1
        if wrong <= 10:
            print(f'strace: {a[:600]}\n  chop: {b[:600]}')
    print(f'{len(theirs)} calls, {len(theirs) - wrong - expected} the same, '
          f'{expected} different for a known reason')
    if len(theirs) != len(ours):
        print(f'{len(theirs)} lines of strace, {len(ours)} of chop')
        return 1
    return 1 if wrong else 0


sys.exit(main(*sys.argv[1:]))
