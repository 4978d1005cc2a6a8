# SPDX-License-Identifier: Apache-2.0
"""
mem_lackey.py LACKEY OURS OFFSET: compare a region's accesses as valgrind's lackey saw them in
the whole program with ours (--to lackey). OFFSET is the address of the region's first
instruction within its module; its second execution is what we traced.

Valgrind loads everything elsewhere, so addresses are compared by module: all records of
one page of lackey's must be ours at one and the same distance. Known difference: lackey
fetches a repeated string instruction once for each iteration, we once.
"""
import re
import sys


def parse(path):
    with open(path) as lines:
        for line in lines:
            match = re.match(r"(I | L| S| M)\s*([0-9a-f]+),(\d+)$", line.rstrip("\n"))
            if match:
                yield match[1], int(match[2], 16), int(match[3])


def main():
    ours = list(parse(sys.argv[2]))
    theirs = parse(sys.argv[1])
    page, seen = int(sys.argv[3], 16) & 0xFFF, {}
    begin = int(sys.argv[3], 16)
    # valgrind loads the program at some page: the first fetch at this offset of a function
    # that is called three times
    region, index, repeats, distance, last = False, 0, 0, {}, None
    for kind, address, size in theirs:
        if not region:
            if kind == "I " and address & 0xFFF == page:
                seen[address] = seen.get(address, 0) + 1
                if (address - begin) & 0xFFF == 0 and (address, size) == (address, ours[0][2]):
                    region = seen[address] == 2 and address & 0xFFFFF == (begin + 0x108000) & 0xFFFFF
            if not region:
                continue
        if index == len(ours):
            break
        if kind == "I " and last == (address, size) and ours[index][:1] + ours[index][2:] != (kind, size):
            repeats += 1
            continue
        if kind == "I " and last == (address, size) and ours[index][1] != ours_last:
            repeats += 1
            continue
        if (kind, size) != (ours[index][0], ours[index][2]):
            print(f"record {index}: lackey {kind} {address:#x},{size}, ours {ours[index]}")
            sys.exit(1)
        expected = distance.setdefault(address >> 12, ours[index][1] - address)
        if ours[index][1] - address != expected:
            print(f"record {index}: lackey {address:#x}, ours {ours[index][1]:#x}, "
                  f"others of this page are {expected:#x} apart")
            sys.exit(1)
        if kind == "I ":
            last, ours_last = (address, size), ours[index][1]
        index += 1
    if index < len(ours):
        print(f"lackey saw {index} records of the region, we {len(ours)}")
        sys.exit(1)
    print(f"{index} records equal, {repeats} fetches of repeated string instructions only in lackey's, "
          f"{len(set(distance.values()))} distances")


main()
