#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Inputs for the programs of large_regions.txt, and what they make at their first start.
set -eu
cat >page.html <<'HTML'
<html><head><title>Title</title></head><body><h1>Title</h1>
<p>Some <b>text</b> in a paragraph, <i>more</i> of it.</p>
<table><tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></table>
<script>document.body.appendChild(document.createElement("p")).textContent = [3, 1, 2].sort().join();</script>
</body></html>
HTML
export HOME=$PWD
for _ in 1 2; do # at its first start it makes its profile, and ends
	/usr/lib/libreoffice/program/soffice.bin "-env:UserInstallation=file://$PWD/profile" --headless \
		--convert-to odt page.html >/dev/null 2>&1 || true
done
[ -s page.odt ] || { echo "libreoffice makes no page.odt" >&2; exit 1; }
