#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every figure the README quotes: each bench/*.sh in turn, `bench/run.sh BUILD_DIR [WORD...]`
# for those with such a name, or with a word in their name. They print tables of ratios, measured side by side in
# one run; absolute times depend on the machine and on what else it does. Those that this machine
# cannot run say why; exit status 77 where none could.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:-$top/build}" && pwd) || exit 2
[ $# -gt 0 ] && shift
export LC_ALL=C PATH=$build:$PATH TOP=$top BUILD=$build BENCH=$build/bench
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

status=77
for bench in "$top"/bench/*.sh; do
	name=$(basename "$bench" .sh)
	[ "$name" = run ] || [ "$name" = lib ] && continue
	if [ $# -gt 0 ]; then
		chosen=
		for word in "$@"; do
			[[ $name == "$word" ]] && chosen=1
			[[ ! -e $top/bench/$word.sh && $name == *"$word"* ]] && chosen=1
		done
		[ -n "$chosen" ] || continue
	fi
	mkdir "$work/$name"
	(cd "$work/$name" && bash "$bench")
	case $? in
	0) [ $status = 77 ] && status=0 ;;
	77) continue ;;
	*)
		echo "$name: failed"
		status=1
		;;
	esac
	rm -rf "${work:?}/$name"
	echo
done
exit $status
