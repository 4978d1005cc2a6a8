#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hot.py HOT.json PERF.txt: the hottest functions by chop hot beside those by perf report.

PERF.txt is what `perf report -q --stdio -g none --no-demangle --sort dso,sym -t '|'` prints. Each
of the top five of one that has 3 % or more must have about the same share with the other.
"""
import json
import os
import re
import sys

GENERATED = '[generated code, in no file]'
TOLERANCE = 0.08  # two runs of a program, sampled a thousand times or more


def of_perf(path):
    shares = {}
    for line in open(path):
        fields = [field.strip() for field in line.split('|')]
        if len(fields) < 3 or not fields[0].rstrip('%').replace('.', '').isdigit():
            continue
        share = float(fields[0].rstrip('%')) / 100
        kind, name = re.match(r'\[(.)\] *(.*)', fields[2]).groups()
        key = '[kernel]' if kind in 'kgH' else re.sub(r'@.*', '', name)
        if key.startswith('0x'):  # perf tells single addresses where there is no symbol
            in_file = not re.search(r'JIT|anon|unknown', fields[1])
            key = 'unnamed in ' + os.path.basename(fields[1]) if in_file else GENERATED
        shares[key] = shares.get(key, 0) + share
    return shares


def of_chop(path):
    shares = {}
    for entry in json.load(open(path))['functions']:
        key = re.sub(r'@.*', '', entry.get('symbol', entry['function']))
        if 'path' in entry and 'symbol' not in entry:
            key = 'unnamed in ' + entry['module']
        shares[key] = shares.get(key, 0) + entry['share']
    return shares


def top(shares):
    return sorted(shares, key=shares.get, reverse=True)[:5]


ours, theirs = of_chop(sys.argv[1]), of_perf(sys.argv[2])
wrong = 0
for name in dict.fromkeys(top(theirs) + top(ours)):
    a, b = ours.get(name, 0), theirs.get(name, 0)
    mark = ''
    if max(a, b) >= 0.03 and abs(a - b) > TOLERANCE:
        mark, wrong = '  DIFFERENT', wrong + 1
    print(f'{100 * a:6.1f} % chop {100 * b:6.1f} % perf  {name[:60]}{mark}')
common = len(set(top(ours)) & set(top(theirs)))
print(f'{common} of the top five are the same')
if not ours or not theirs:
    wrong += 1
sys.exit(wrong > 0)
