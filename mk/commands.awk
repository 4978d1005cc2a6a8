# SPDX-License-Identifier: Apache-2.0
# commands.txt -> COMMAND(name, "aliases", "group", "summary") lines for src/main.c
BEGIN { FS = "[ \t]*\\|[ \t]*" }
/^#/ || NF < 4 { next }
{ printf "COMMAND(%s, \"%s\", \"%s\", \"%s\")\n", $1, $2 == "-" ? "" : $2, $3, $4 }
