# SPDX-License-Identifier: Apache-2.0
"""Compare `chop marks --all OBJ` (file) with `objdump -d OBJ` (stdin) and `readelf -Ws`.

For each function: begin is the symbol's address; the ends inside the symbol's range are
exactly objdump's return instructions there, plus unconditional jumps that leave the range.
Ends outside of the range must be in code that a jump leads to (cold parts). Prints the
differences and a line of counts.
"""
import bisect
import re
import subprocess
import sys

marks_file, object_file = sys.argv[1:]

RETURN = re.compile(r"^(?:(?:repz|bnd|notrack|data16|rep|cs) )*(?:ret|lret|iret)[lqw]?\b")
JUMP = re.compile(r"^(?:(?:bnd|notrack|ds|cs|data16) )*jmp[wq]?\s+(\*?)(\S+)")
STUB = re.compile(r"<[^<>+]*@plt>$")
COLD = re.compile(r"<[^<>]*\.cold(\.\d+)?(\+0x[0-9a-f]+)?>$")
instructions = {}  # address -> text
for line in sys.stdin:
    parts = line.rstrip("\n").split("\t")
    if len(parts) >= 2 and parts[0].endswith(":"):
        try:
            instructions[int(parts[0][:-1], 16)] = parts[1].strip()
        except ValueError:
            pass
addresses = sorted(instructions)

functions = {}
output = subprocess.run(["readelf", "-Ws", object_file], capture_output=True, text=True, check=True)
for line in output.stdout.splitlines():
    fields = line.split()
    if len(fields) < 8 or fields[3] != "FUNC" or fields[6] in ("UND", "ABS"):
        continue
    address, size = int(fields[1], 16), int(fields[2], 0)
    if address and size and ".cold" not in fields[7]:
        functions[address] = max(size, functions.get(address, 0))

checked = returns = tails = cold = runs_on = wrong = 0
seen = set()
for line in open(marks_file):
    words = line.split()
    begin = int(words[2], 16)
    ends = {int(word, 16) for word in words[4::2]}
    seen.add(begin)
    if begin not in functions:
        continue
    limit = begin + functions[begin]
    checked += 1
    low, high = bisect.bisect_left(addresses, begin), bisect.bisect_left(addresses, limit)
    expected = {a for a in addresses[low:high] if RETURN.match(instructions[a])}
    inside = {end for end in ends if begin <= end < limit}
    returns += len(expected)
    problems = [f"missed {a:x}: {instructions[a]}" for a in sorted(expected - inside)]
    for end in sorted(inside - expected):
        jump = JUMP.match(instructions.get(end, ""))
        if not jump:
            problems.append(f"no exit {end:x}: {instructions.get(end, 'in the middle')}")
        elif not jump.group(1) and begin <= int(jump.group(2), 16) < limit:
            problems.append(f"stays {end:x}: {instructions[end]}")
        else:
            tails += 1
    # A jump to the start of a function or to a stub is an exit.
    for address in addresses[low:high]:
        jump = JUMP.match(instructions[address])
        if not jump or jump.group(1) or address in ends or COLD.search(instructions[address]):
            continue
        target = int(jump.group(2), 16)
        if not begin <= target < limit and (target in functions or STUB.search(instructions[address])):
            problems.append(f"missed {address:x}: {instructions[address]}")
    # Direct jumps out of the range are exits or lead to a cold part that has its own ends.
    # The start of the next function is an end where the code runs into it.
    outside = ends - inside
    if limit in outside and limit in functions:
        outside.remove(limit)
        last = instructions[addresses[high - 1]]
        if RETURN.match(last) or JUMP.match(last) or last.startswith("call"):
            problems.append(f"no fall through at {limit:x} after: {last}")
        runs_on += 1
    cold += len(outside)
    for end in sorted(outside):
        text = instructions.get(end, "in the middle")
        if not RETURN.match(text) and not JUMP.match(text):
            problems.append(f"no exit {end:x}: {text}")
    wrong += bool(problems)
    for problem in problems[:5]:
        print(f"{words[0]} {begin:x}: {problem}")

for address in sorted(set(functions) - seen):
    print(f"not listed: {address:x}")
    wrong += 1
print(f"{checked} functions, {returns} returns, {tails} tail calls, {cold} ends in cold parts,"
      f" {runs_on} run into the next function, {wrong} functions differ")
sys.exit(wrong != 0)
