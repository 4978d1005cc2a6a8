# SPDX-License-Identifier: Apache-2.0
"""An independent reader of Microprobe test files, written from the format's description:
python's configparser (as the format is defined by it), strict about everything the real
parser is strict about. As a program it prints registers, code and data in one normal form:

    mpt.py FILE.mpt            R NAME VALUE / C ADDRESS HEX / M ADDRESS HEX / T FILE lines
    mpt.py --core N.core FILE.mpt   compare with an ELF core file, byte for byte
"""
import ast
import configparser
import gzip
import os
import re
import struct
import sys


class FormatError(Exception):
    pass


def text_of(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="ascii") as file:
        return file.read()


def literal(text):
    if re.fullmatch(r"0[0-9]+", text):
        raise FormatError(f"not a literal: {text}")
    return ast.literal_eval(text)


def parse_code(value, default):
    """Lines `0xADDR:` and words of eight digits, joined in the order of their digits."""
    code, at = {}, default
    for line in value.splitlines():
        line = line.strip()
        if not line:
            continue
        if line.endswith(":"):
            if not re.fullmatch(r"0x[0-9a-f]+:", line):
                raise FormatError(f"address without 0x: {line}")
            at = int(line[:-1], 16)
            if at in code:
                raise FormatError(f"address twice: {line}")
            continue
        if not re.fullmatch(r"0x[0-9a-f]{8}", line):
            raise FormatError(f"not a word: {line}")
        code[at] = bytes.fromhex(line[2:])
        at += 4
    return code


def parse_state(text):
    registers, memory = {}, {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith(";"):
            continue
        words = line.split()
        if len(words) != 3:
            raise FormatError(f"line {number}: {len(words)} words")
        kind, name, value = words
        if kind == "R":
            if name in registers:
                raise FormatError(f"register twice: {name}")
            registers[name] = literal(value)
        elif kind == "M":
            memory[int(name, 16)] = bytes.fromhex(value)
        else:
            raise FormatError(f"line {number}: Unknown prefix {kind}")
    return registers, memory


def parse(path):
    parser = configparser.ConfigParser(inline_comment_prefixes=(";",), strict=True)
    parser.read_string(text_of(path))
    if parser.get("MPT", "mpt_version") != "0.5":
        raise FormatError("version")
    contents = os.path.join(os.path.dirname(path), parser.get("STATE", "contents"))
    registers, memory = parse_state(text_of(contents))
    default = literal(parser.get("CODE", "default_address"))
    code = parse_code(parser.get("CODE", "instructions"), default)
    trace = parser.get("TRACE", "roi_memory_access_trace", fallback=None)
    return registers, code, memory, trace


def core_segments(path):
    with open(path, "rb") as file:
        data = file.read()
    phoff, = struct.unpack_from("<Q", data, 32)
    phnum, = struct.unpack_from("<H", data, 56)
    for i in range(phnum):
        kind, flags, offset, address, _, size, _, _ = struct.unpack_from(
            "<IIQQQQQQ", data, phoff + 56 * i)
        if kind == 1:
            yield address, flags, data[offset:offset + size]


def compare(core, path):
    """Every page of the files equals the core's; every page of the core that is not for
    debuggers only is in one of the files. Returns the number of pages compared."""
    _, code, memory, _ = parse(path)
    pages = {}
    for address, data in code.items():
        pages.setdefault(address & -4096, bytearray(4096))[address & 4095:(address & 4095) + 4] = data
    seen = 0
    for address, flags, data in core_segments(core):
        for at in range(0, len(data), 4096):
            page = data[at:at + 4096]
            for found in (pages.get(address + at), memory.get(address + at)):
                if found is not None:
                    seen += 1
                    if bytes(found) != page:
                        raise FormatError(f"page {address + at:x} differs from {core}")
    if seen != len(pages) + len(memory):
        raise FormatError("pages that the core does not have")
    return seen


def main(arguments):
    if arguments[0] == "--core":
        print(compare(arguments[1], arguments[2]), "pages equal")
        return
    registers, code, memory, trace = parse(arguments[0])
    for name, value in sorted(registers.items()):
        print(f"R {name} {value:#x}")
    for address, data in sorted(code.items()):
        print(f"C {address:x} {data.hex()}")
    for address, data in sorted(memory.items()):
        print(f"M {address:x} {data.hex()}")
    if trace is not None:
        print(f"T {trace}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (FormatError, configparser.Error, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
