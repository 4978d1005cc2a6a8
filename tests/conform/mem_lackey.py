# SPDX-License-Identifier: Apache-2.0
"""
mem_lackey.py LACKEY OURS: compare the accesses of a snippet's region as valgrind's lackey saw
them while the snippet ran with ours (chop convert --to lackey), instruction by instruction. The
addresses are the same; LACKEY has the snippet's runtime before and after the region.

Prints the number of records, and how often each known difference was met:

repeated    lackey fetches a repeated string instruction once an iteration (and once more where
            the count was 0 or ran out), we once
cmps        lackey reads the second operand first
locked      lackey reads what xchg and locked instructions (but for cmpxchg) change twice: once
            before, and as a part of the exchange
bt          lackey's processor stores the register operand of bt, bts, btr, btc below the stack
            and reads a byte of it: the program does neither
string      of a bit string (bt and the like, with a register, in memory) lackey accesses a
            byte, we the word of the operand's size, as the processor's manual says
dead        lackey misses a read whose value nothing uses: valgrind takes it out before
masked      lackey reads and writes all 16 bytes of maskmovdqu, we write those that are set
pieces      lackey has fxsave and fxrstor in pieces, we as one access of 512 bytes
both        lackey lists the second of two conditions ("a && b") although the first has decided:
            valgrind evaluates both at once (not with --vex-guest-chase=no)

Exit status 1 at anything else, with its place.
"""
import re
import sys
from collections import Counter

LINE = re.compile(r"(I | L| S| M)\s*([0-9a-f]+),(\d+)$")


def instructions(path, skip_to=None):
    """(fetch, [accesses]) of each instruction."""
    current = None
    with open(path) as lines:
        for line in lines:
            match = LINE.match(line.rstrip("\n"))
            if not match:
                continue
            record = match[1].strip(), int(match[2], 16), int(match[3])
            if skip_to and record != skip_to:
                continue
            skip_to = None
            if record[0] != "I":
                current[1].append(record)
                continue
            if current:
                yield current
            current = record, []
    if current:
        yield current


def whole(accesses):
    """As single reads and writes."""
    for kind, address, size in accesses:
        if kind in "LM":
            yield "L", address, size
        if kind in "SM":
            yield "S", address, size


def covers(pieces, access):
    kind, address, size = access
    return len(pieces) > 1 and all(
        p[0] in (kind, "M") and address <= p[1] and p[1] + p[2] <= address + size for p in pieces)


def is_locked(theirs, ours):
    return len(theirs) == 2 and len(ours) == 1 and theirs[1] == ours[0] and theirs[0] == ("L", *ours[0][1:])


def difference(theirs, ours):
    if not ours and len(theirs) in (2, 3) and theirs[0][0] == "S" and theirs[0][2] in (2, 4, 8) and all(
            theirs[0][1] <= t[1] < theirs[0][1] + 8 for t in theirs):
        return "bt"
    if not theirs and ours and all(kind == "L" for kind, _, _ in ours):
        return "dead"
    if len(ours) == 1 and ours[0][2] in (2, 4, 8) and theirs and all(
            t[2] == 1 and ours[0][1] <= t[1] < ours[0][1] + ours[0][2] for t in theirs):
        return "string"
    if len(ours) == 2 and theirs == ours[::-1]:
        return "cmps"
    if len(theirs) == 1 and theirs[0][0] == "M" and theirs[0][2] == 16 and all(
            o[0] == "S" and theirs[0][1] <= o[1] < theirs[0][1] + 16 for o in ours):
        return "masked"
    if len(ours) == 1 and ours[0][2] == 512 and covers(theirs, ours[0]):
        return "pieces"
    if is_locked(theirs, ours):
        return "locked"
    return None


def take_repeats(stream, lackey, ours, met):
    """The rest of a repeated string instruction; its accesses as one list, and what is next."""
    fetch, accesses = lackey
    following = next(stream, None)
    per = len(accesses)
    swapped = False
    while following and following[0] == fetch and ours[0] == fetch:
        met["repeated"] += 1
        accesses = accesses + following[1]
        following = next(stream, None)
    if per == 2 and accesses != ours[1] and all(kind == "L" for kind, _, _ in accesses):
        pairs = [accesses[i:i + 2][::-1] for i in range(0, len(accesses), 2)]
        accesses = [access for pair in pairs for access in pair]
        swapped = accesses == ours[1]
    met["cmps"] += swapped
    return accesses, following


def compare(theirs, ours, met):
    lackey = next(theirs, None)
    records = 0
    for number, mine in enumerate(ours):
        skipped = 0
        while lackey and lackey[0] != mine[0] and not lackey[1] and skipped < 16:
            met["both"] += 1
            skipped += 1
            lackey = next(theirs, None)
        if not lackey or lackey[0] != mine[0]:
            sys.exit(f"instruction {number}: lackey {lackey}, ours {mine}")
        accesses, following = take_repeats(theirs, lackey, mine, met)
        if accesses != mine[1] and list(whole(accesses)) != list(whole(mine[1])):
            name = difference(accesses, mine[1])
            if not name:
                sys.exit(f"instruction {number}: lackey {accesses}, ours {mine}")
            met[name] += 1
        records += 1 + len(mine[1])
        lackey = following
    return records


def main():
    ours = list(instructions(sys.argv[2]))
    met = Counter()
    records = compare(instructions(sys.argv[1], ours[0][0]), ours, met)
    told = [f"{name} {met[name]}" for name in
            ("repeated", "cmps", "locked", "bt", "string", "dead", "masked", "pieces", "both") if met[name]]
    print(f"{records} records; {', '.join(told) or 'no difference'}")


main()
