# SPDX-License-Identifier: Apache-2.0
"""
Readers of the formats `chop convert` writes, made from the formats' descriptions, not
from the writers. usage: convert_check.py FORMAT FILE CSV [PROGRAM BASE]

CSV is the same trace as --to csv; PROGRAM's code (objdump) judges kinds of branches and
encodings of instructions from BASE on. Prints how much was compared; exits 1 with a line
at the first difference.
"""
import csv
import gzip
import re
import struct
import subprocess
import sys


def fail(text):
    print(text)
    sys.exit(1)


def load(path):
    with open(path, "rb") as plain:
        data = plain.read()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def reference(path):
    """(kind letter, ip, address, size) of each record."""
    letters = {"read": "r", "write": "w", "fetch": "i", "prefetch": "p", "flush": "f"}
    with open(path) as text:
        for row in csv.DictReader(text):
            yield letters[row["kind"]], int(row["ip"], 16), int(row["address"], 16), int(row["size"])


def instructions(records):
    """[ip, length, accesses] of each instruction."""
    result = []
    for kind, ip, address, size in records:
        if kind == "i":
            result.append([ip, size, []])
        else:
            result[-1][2].append((kind, address, size))
    return result


def disassembly(program, base):
    """ip -> (bytes, mnemonic, operands)"""
    text = subprocess.run(["objdump", "-d", "-w", "-j", ".text", program], capture_output=True,
                          text=True).stdout
    code = {}
    for line in text.splitlines():
        match = re.match(r"\s*([0-9a-f]+):\t([0-9a-f ]+)\t(.*)", line)
        if match:
            words = re.sub(r"^((bnd|notrack|rep|repz|repnz|lock|data16|cs|ds|es) )+", "", match[3]).split()
            prefixed = match[3].split()
            code[int(match[1], 16) + base] = (bytes.fromhex(match[2].replace(" ", "")), words[0],
                                              " ".join(words[1:]), prefixed)
    return code


def branch_kind(mnemonic, operands):
    if mnemonic.startswith("call"):
        return "indirect call" if "*" in operands else "call"
    if mnemonic.startswith("ret"):
        return "return"
    if mnemonic.startswith("jmp"):
        return "indirect" if "*" in operands else "jump"
    if mnemonic.startswith("j") or mnemonic.startswith("loop"):
        return "conditional"
    return None


def compare(name, got, want):
    count = 0
    for index, (a, b) in enumerate(zip(got, want)):
        if a != b:
            fail(f"{name}: record {index} is {a}, should be {b}")
        count += 1
    if len(got) != len(want):
        fail(f"{name}: {len(got)} records, should be {len(want)}")
    print(f"{name}: {count} records")


def lackey(data, records):
    want = []
    for kind, ip, address, size in records:
        if want and kind == "w" and want[-1] == (" L", address, size) and last == ip:
            want[-1] = (" M", address, size)
        else:
            want.append(({"i": "I ", "r": " L", "w": " S"}[kind], address, size))
        last = ip
    got = []
    for line in data.decode().splitlines():
        match = re.fullmatch(r"(I | L| S| M) ([0-9a-f]{8,}),(\d+)", line)
        if not match:
            fail(f"lackey: line {line!r}")
        got.append((match[1], int(match[2], 16), int(match[3])))
    compare("lackey", got, want)


def chopstix(data, records):
    want = [({"i": "I R", "r": "D R", "w": "D W"}[k], a, s) for k, _, a, s in records]
    got = []
    for line in data.decode().splitlines():
        match = re.fullmatch(r"([ID] [RW]) 0x([0-9a-f]{16}) (\d+)", line)
        if not match:
            fail(f"chopstix: line {line!r}")
        got.append((match[1], int(match[2], 16), int(match[3])))
    compare("chopstix", got, want)


def din(data, records):
    compare("din", [(int(l.split()[0]), int(l.split()[1], 16)) for l in data.decode().splitlines()],
            [("rwi".index(k), a) for k, _, a, _ in records])


def xdin(data, records):
    got = [(w[0], int(w[1], 16), int(w[2], 16)) for w in (l.split() for l in data.decode().splitlines())]
    compare("xdin", got, [(k, a, s) for k, _, a, s in records])


def din_binary(data, records):
    got = [(t, a, s) for a, s, t, _ in struct.iter_unpack("<IHBB", data)]
    compare("din-binary", got, [("rwi".index(k), a, s) for k, _, a, s in records])


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return value, at


def message(data, at):
    length, at = varint(data, at)
    end, fields = at + length, {}
    while at < end:
        key, at = varint(data, at)
        if key & 7 == 0:
            fields[key >> 3], at = varint(data, at)
        elif key & 7 == 2:
            size, at = varint(data, at)
            fields[key >> 3] = data[at:at + size]
            at += size
        else:
            fail(f"gem5: wire type {key & 7}")
    if at != end:
        fail("gem5: a message of another length")
    return fields, at


def gem5(data, records):
    if data[:4] != struct.pack("<I", 0x356D6567):
        fail("gem5: magic number")
    header, at = message(data, 4)
    if not header.get(1) or header.get(3) != 10**12:
        fail(f"gem5: header {header}")
    got, tick, number = [], 0, 0
    while at < len(data):
        p, at = message(data, at)
        if p[1] < tick or p[6] != number:
            fail(f"gem5: packet {p} after tick {tick}, number {number}")
        tick, number = p[1], number + 1
        kind = {(1, 0): "r", (4, 0): "w", (1, 0x100): "i"}[p[2], p[5]]
        got.append((kind, p[7], p[3], p[4]))
    compare("gem5", got, list(records))


def oracle(data, records):
    objects = [o for _, _, a, s in records for o in range(a // 64, (a + s - 1) // 64 + 1)]
    after, following = {}, [0] * len(objects)
    for index in range(len(objects) - 1, -1, -1):
        following[index] = after.get(objects[index], -1)
        after[objects[index]] = index + 1
    got = [(o, s, n) for _, o, s, n in struct.iter_unpack("<IQIq", data)]
    compare("oracle-general", got, [(o, 64, n) for o, n in zip(objects, following)])


SP, FLAGS, IP = 6, 25, 26


def champsim_kind(target, source):
    """ooo_model_instr of ChampSim's inc/instruction.h, in its order."""
    target, source = set(target) - {0}, set(source) - {0}
    other = bool(source - {SP, FLAGS, IP})
    reads_sp, reads_flags, reads_ip = SP in source, FLAGS in source, IP in source
    writes_sp, writes_ip = SP in target, IP in target
    if not reads_sp and not reads_flags and writes_ip and not other:
        return "jump"
    if not reads_sp and not reads_ip and not reads_flags and writes_ip and other:
        return "indirect"
    if not reads_sp and reads_ip and not writes_sp and writes_ip and (reads_flags or other):
        return "conditional"
    if reads_sp and reads_ip and writes_sp and writes_ip and not reads_flags:
        return "indirect call" if other else "call"
    if reads_sp and not reads_ip and writes_sp and writes_ip:
        return "return"
    return "other" if writes_ip else None


def champsim(data, records, code):
    want = instructions(records)
    entries = list(struct.iter_unpack("<QBB2B4B2Q4Q", data))
    at = known = 0
    for index, (ip, length, accesses) in enumerate(want):
        reads = [a for k, a, _ in accesses if k == "r"]
        writes = [a for k, a, _ in accesses if k == "w"]
        entry = entries[at]
        repeated = ip in code and code[ip][3][0].startswith("rep") and not code[ip][1].startswith("ret")
        if entry[0] != ip:
            fail(f"champsim: entry {at} has ip {entry[0]:#x}, should be {ip:#x}")
        taken = index + 1 < len(want) and want[index + 1][0] != ip + length
        got_reads, got_writes = [], []
        while at < len(entries) and entries[at][0] == ip and (
                len(got_reads) < len(reads) or len(got_writes) < len(writes) or entries[at] is entry):
            got_writes += [a for a in entries[at][9:11] if a]
            got_reads += [a for a in entries[at][11:15] if a]
            at += 1
            if not repeated and ip in code:
                break
        if got_reads[:len(reads)] != reads[:len(got_reads)] or got_writes != writes[:len(got_writes)]:
            fail(f"champsim: {ip:#x} accesses {got_reads} {got_writes}, should be {reads} {writes}")
        if ip not in code:
            continue
        known += 1
        kind = branch_kind(code[ip][1], code[ip][2])
        if champsim_kind(entry[3:5], entry[5:9]) != kind or bool(entry[1]) != bool(kind):
            fail(f"champsim: {ip:#x} {code[ip][1:3]} is {entry}, a {champsim_kind(entry[3:5], entry[5:9])}")
        if kind and index + 1 < len(want) and bool(entry[2]) != taken:
            fail(f"champsim: {ip:#x} {code[ip][1:3]} taken {entry[2]}, should be {taken}")
    if at != len(entries):
        fail(f"champsim: {len(entries) - at} entries too many")
    print(f"champsim: {len(want)} instructions, {known} judged by objdump")


TYPES = {None: {10}, "jump": {11}, "indirect": {12}, "call": {14}, "indirect call": {15},
         "return": {16}, "conditional": {48, 49}}


def drmemtrace(data, records, code):
    want = instructions(records)
    entries = list(struct.iter_unpack("<HHQ", data))
    if [e[0] for e in entries[:5]] != [25, 28, 28, 22, 24] or entries[-1][0] != 26 or entries[-2][0] != 23:
        fail(f"drmemtrace: begins {entries[:5]}, ends {entries[-2:]}")
    if entries[1][1:] != (12, 5) or entries[2][1:] != (9, 0x240):
        fail(f"drmemtrace: version or file type {entries[1:3]}")
    encoding, encodings, known = b"", {}, 0
    got, target = [], None
    for kind, size, value in entries[5:-2]:
        if kind == 47:
            encoding += struct.pack("<Q", value)[:size]
        elif kind == 28:
            if size == 29:
                target = value
        elif kind in (10, 11, 12, 14, 15, 16, 48, 49):
            if encoding:
                encodings[value] = encoding
            if len(encodings[value]) != size:
                fail(f"drmemtrace: {value:#x} of {size} bytes is encoded in {encodings[value].hex()}")
            if value in code:
                known += 1
                if encodings[value] != code[value][0]:
                    fail(f"drmemtrace: {value:#x} is encoded {encodings[value].hex()}")
                if kind not in TYPES[branch_kind(code[value][1], code[value][2])]:
                    fail(f"drmemtrace: {value:#x} {code[value][1:3]} has type {kind}")
            if kind in (12, 15, 16) and target is None:
                fail(f"drmemtrace: {value:#x} has no target")
            got.append([value, size, [], kind, target])
            encoding, target = b"", None
        elif kind == 29:
            if got[-1][0] != value:
                fail(f"drmemtrace: {value:#x} repeated after {got[-1][0]:#x}")
        else:
            got[-1][2].append(({0: "r", 1: "w", 2: "p", 20: "f"}[kind], value, size))
    compare("drmemtrace", [g[:3] for g in got], want)
    for here, there in zip(got, got[1:]):
        if here[4] is not None and here[4] != there[0] or \
           here[3] in (48, 49) and (here[3] == 48) != (there[0] != here[0] + here[1]):
            fail(f"drmemtrace: {here} goes on at {there[0]:#x}")
    print(f"drmemtrace: {known} instructions judged by objdump")


def main():
    name, data, records = sys.argv[1], load(sys.argv[2]), list(reference(sys.argv[3]))
    if name in ("champsim", "drmemtrace"):
        globals()[name](data, records, disassembly(sys.argv[4], int(sys.argv[5], 16)))
    else:
        globals()[name.replace("-general", "").replace("-", "_")](data, records)


main()
