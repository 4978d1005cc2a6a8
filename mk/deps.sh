#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install the Debian packages of mk/packages.txt that are missing, and only those.
# Usage: mk/deps.sh KIND...   (build, test, demo, bench, corpus, large)
set -eu
list=$(dirname "$0")/packages.txt
missing=
for kind in "$@"; do
	for package in $(awk -v kind="$kind" '$1 == kind { print $2 }' "$list"); do
		if command -v dpkg-query >/dev/null 2>&1 &&
		   dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null |
		   grep -q '^installed$'; then
			continue
		fi
		missing="$missing $package"
	done
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
	# The build itself tells what is really missing.
	echo "chop: no apt here; what these Debian packages hold is needed:$missing" >&2
	exit 0
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "chop: as root, run: apt-get install --yes$missing" >&2
		exit 5
	fi
	as_root=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
install_all() {
	# shellcheck disable=SC2086
	$as_root apt-get install --yes --no-install-recommends -qq $missing >/dev/null
}
# A fresh machine has no package lists, an old one stale ones: update only then.
install_all 2>/dev/null || { $as_root apt-get update -qq && install_all; }
