#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Compare captures of the same invocations: captures_compare.py DIR SAME-WAY-DIR OTHER-DIR

The pages touched must be the same in DIR and OTHER-DIR, and so must their bytes at entry and
end, but for words in which the two of DIR and SAME-WAY-DIR differ as well: those the program
makes anew in every run (stack protectors, times). Pages that a capture says it includes
whether touched or not do not count. Reads the files by itself, on purpose. Prints what
differs; exit status 1 if anything does.
"""
import glob
import os
import struct
import sys

NOTE = 0x43484F50
NOTE_SIZE = 224
SUPPORT, ALWAYS = 2, 4
PAGE = 4096


def headers(data):
    offset, = struct.unpack_from("<Q", data, 32)
    count, = struct.unpack_from("<H", data, 56)
    if count == 0xFFFF:
        sections, = struct.unpack_from("<Q", data, 40)
        count, = struct.unpack_from("<I", data, sections + 44)
    for i in range(count):
        kind, _, at, address, _, size = struct.unpack_from("<IIQQQQ", data, offset + i * 56)
        yield kind, at, address, size


def properties(data, at, size):
    """address -> properties, from the note of owner chop"""
    result = {}
    end = at + size
    while at < end:
        name, length, kind = struct.unpack_from("<III", data, at)
        at += 12 + (name + 3) // 4 * 4
        if kind == NOTE:
            ends, ranges = struct.unpack_from("<II", data, at + 112)
            first = at + NOTE_SIZE + ends * 8
            for i in range(ranges):
                address, pages, what = struct.unpack_from("<QII", data, first + i * 16)
                for page in range(pages):
                    result[address + page * PAGE] = what
        at += (length + 3) // 4 * 4
    return result


def load(path):
    with open(path, "rb") as file:
        data = file.read()
    pages, what = {}, {}
    for kind, at, address, size in headers(data):
        if kind == 4:
            what.update(properties(data, at, size))
        if kind == 1:
            for i in range(0, size, PAGE):
                pages[address + i] = data[at + i:at + i + PAGE]
    return pages, what


def words_that_differ(a, b):
    return {i for i in range(0, PAGE, 8) if a[i:i + 8] != b[i:i + 8]}


def compare(one, same, other, name):
    bad = 0
    pages, what = load(f"{one}/{name}")
    twin = load(f"{same}/{name}")[0]
    others, what_other = load(f"{other}/{name}")
    uncounted = {p for w in (what, what_other) for p in w if w[p] & (SUPPORT | ALWAYS)}
    for page in sorted((set(pages) ^ set(others)) - uncounted):
        print(f"{name}: page {page:x} only in {one if page in pages else other}")
        bad += 1
    for page in sorted(set(pages) & set(others)):
        own = words_that_differ(pages[page], twin[page]) if page in twin else set()
        rest = words_that_differ(pages[page], others[page]) - own
        if rest and page not in uncounted:
            print(f"{name}: page {page:x} differs at {sorted(rest)[:4]}")
            bad += 1
    return bad, len(set(pages) - uncounted)


def main():
    one, same, other = sys.argv[1:4]
    bad = total = 0
    for path in sorted(glob.glob(f"{one}/*.core")):
        wrong, pages = compare(one, same, other, os.path.basename(path))
        bad += wrong
        total += pages
    print(f"{total} pages compared, {bad} wrong")
    return 1 if bad or not total else 0


sys.exit(main())
