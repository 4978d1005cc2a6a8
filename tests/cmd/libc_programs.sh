# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Programs that use much of the C library, for tests that change all its functions: `all` of the
# test runs each, $size tells how much they do.

need python3
python=$(command -v /usr/bin/python3 || command -v python3)
seq 1 "$size" | awk '{ print ($1 * 7919) % 20011 }' >"$TEST_TMP/numbers"
all sort -n "$TEST_TMP/numbers"
cat >"$TEST_TMP/t.c" <<'END'
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) { return printf("%d %zu\n", argc, strlen(argv[0])) > 100; }
END
command -v gcc >/dev/null && all gcc -O2 -S -o - "$TEST_TMP/t.c"
command -v perl >/dev/null &&
	all perl -e 'my %h; $h{$_ % 97} .= $_ for 1..'"$size"'; print join(",", map { length $h{$_} } sort keys %h), "\n"; print `echo child`; exit 3'
command -v sqlite3 >/dev/null &&
	all sqlite3 :memory: "create table t(a,b); with recursive c(i) as (select 1 union all select i+1 from c where i<$((size / 4))) insert into t select i, i*i%101 from c; select b, count(*), sum(a) from t group by b;"
cat >"$TEST_TMP/t.py" <<'END'
import hashlib, os, subprocess, threading
out = []
def work(n):
    out.append(hashlib.sha256(str(sum(i * i for i in range(n))).encode()).hexdigest())
threads = [threading.Thread(target=work, args=(2000 + i,)) for i in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sorted(out))
pid = os.fork()
if pid == 0:
    os._exit(sorted({i: str(i) for i in range(100)})[5])
print(os.waitpid(pid, 0)[1], subprocess.run(['echo', 'child'], capture_output=True).stdout)
raise SystemExit(4)
END
all "$python" -I -S "$TEST_TMP/t.py"
