#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fill the current directory with inputs for the programs of the corpus, always the same.
set -eu
LC_ALL=C
export LC_ALL
awk 'BEGIN { srand(1); for (i = 0; i < 60000; i++) { printf "%d %d", rand() * 1e6, rand() * 1000
	if (i % 5 == 0) printf " the quick brown fox %d", i; print "" } }' >text
cut -d' ' -f1,2 text >numbers
xz -c -T1 text >text.xz
bzip2 -c text >text.bz2
mkdir -p inputs && split -b 20000 text inputs/part.
cat >queries.sql <<'SQL'
create table t(a integer primary key, b integer, c text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
insert into t select i, (i * 7919) % 10007, 'row ' || i from n;
create index tb on t(b);
select count(*), sum(b), max(c) from t where b > 500;
select b % 10, count(*) from t group by 1 order by 2 desc;
SQL
cat >program.py <<'PY'
import json, re, hashlib
data = {"n%d" % i: [i, i * i, str(i)] for i in range(3000)}
text = json.dumps(data)
back = json.loads(text)
words = re.findall(r"[a-z]+\d+", text)
lines = sorted(open("numbers").read().split(), key=int)
print(len(words), sum(v[1] for v in back.values()), hashlib.sha1(text.encode()).hexdigest(), lines[5])
PY
cat >program.pl <<'PL'
my %n; open my $f, '<', 'text' or die; while (<$f>) { $n{$1} += $2 if /^(\d)\d* (\d+)/; }
print join(',', map { "$_=$n{$_}" } sort keys %n), "\n";
PL
cat >program.lua <<'LUA'
local t = {} for i = 1, 60000 do t[i] = (i * 7919) % 10007 end
table.sort(t) local s = {} for i = 1, 2000 do s[#s + 1] = tostring(t[i]) end
print(#table.concat(s, ","), string.rep("x", 10):gsub("x", "yz"))
LUA
cat >program.tcl <<'TCL'
set n 0; set l {}
for {set i 0} {$i < 60000} {incr i} { incr n [expr {$i * 7 % 13}]; lappend l [expr {$i * 7919 % 10007}] }
puts "$n [lindex [lsort -integer $l] 500] [regexp -all {1} $l]"
TCL
cat >program.rb <<'RB'
h = Hash.new(0)
60000.times { |i| h[i * 7919 % 1007] += i }
puts h.values.sort.first(5).inspect, h.keys.map(&:to_s).join.scan(/1+/).size
RB
cat >program.bc <<'BC'
scale = 600
4 * a(1)
e(1) * 2 ^ 300
BC
python3 - <<'PY'
import json, struct, math
json.dump([{"a": "x%d" % i, "b": i * 3} for i in range(20000)], open("data.json", "w"))
with open("data.xml", "w") as f:
    f.write("<list>" + "".join('<item n="%d"><name>item %d</name></item>' % (i, i) for i in range(8000)) + "</list>")
with open("sheet.xsl", "w") as f:
    f.write('<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:output method="text"/>'
            '<xsl:template match="/"><xsl:for-each select="//item[@n mod 7 = 0]"><xsl:sort select="name"/>'
            '<xsl:value-of select="name"/>;</xsl:for-each></xsl:template></xsl:stylesheet>')
n = 44100 * 3
samples = b"".join(struct.pack("<h", int(12000 * math.sin(i * i / 3e6))) for i in range(n))
open("sound.wav", "wb").write(b"RIFF" + struct.pack("<I", 36 + 2 * n) + b"WAVEfmt " +
    struct.pack("<IHHIIHH", 16, 1, 1, 44100, 88200, 2, 16) + b"data" + struct.pack("<I", 2 * n) + samples)
w, h = 400, 300
open("image.ppm", "wb").write(b"P6 %d %d 255\n" % (w, h) + bytes(
    (x * y + c * x + (x ^ y)) & 255 for y in range(h) for x in range(w) for c in range(3)))
with open("program.c", "w") as f:
    f.write("struct s { int a, b; };\n" + "".join(
        "int f%d(struct s *p, int n) { int r = %d; for (int i = 0; i < n; i++) { if (p[i].a > r) r += p[i].b * i; "
        "else r ^= p[i].a << (i & 7); } return r; }\n" % (i, i) for i in range(120)))
with open("graph.dot", "w") as f:
    f.write("digraph g {" + "".join("n%d -> n%d;" % (i, (i * 7 + 3) % 60) for i in range(60)) + "}")
with open("document.ps", "w") as f:
    f.write("%!PS\n/Times-Roman findfont 12 scalefont setfont\n" + "".join(
        "72 %d moveto (line %d of this document) show\n" % (720 - 14 * (i % 45), i) +
        ("showpage\n" if i % 45 == 44 else "") for i in range(450)))
PY
cjpeg image.ppm >image.jpg
pnmtopng -quiet image.ppm >image.png
lame --quiet sound.wav sound.mp3
gcc -O1 -S -o program.s program.c
gcc -O1 -c -o program.o program.c
gs -q -dNOPAUSE -dBATCH -sDEVICE=pdfwrite -sOutputFile=document.pdf document.ps
