# SPDX-License-Identifier: Apache-2.0
# Put the list of commands into docs/chop.1.scd, in place of its line @COMMANDS@.
# Usage: awk -f mk/manual.awk commands.txt docs/chop.1.scd
FNR == NR {
	if (/^#/) next
	n = split($0, field, /[ \t]*\|[ \t]*/)
	if (n < 4) next
	list = list "*chop-" field[1] "*(1)"
	if (field[2] != "-") {
		gsub(/,/, ", ", field[2])
		list = list ", also called " field[2]
	}
	list = list "\n\t" toupper(substr(field[4], 1, 1)) substr(field[4], 2) ".\n\n"
	next
}
/^@COMMANDS@$/ { printf "%s", list; next }
{ print }
