# SPDX-License-Identifier: MIT
# The commands of docs/ci.md that turn the output of other tools into rows.

# oneliner TITLE: the command in the section of that title.
oneliner() {
	awk -v title="### $1" '
		/^#/ { is_here = $0 == title }
		/^```/ { is_code = is_here && $0 == "```sh"; next }
		is_code { print }' "$ROOT/docs/ci.md"
}

# run_oneliner TITLE: runs it as written, in a shell that stops at a failing pipe.
run_oneliner() {
	oneliner "$1" >"$1.sh"
	[ "$(wc -l <"$1.sh")" = 1 ]
	bash -eo pipefail "$1.sh"
}

# reads FILE: what startline finds in it, as lines of id, n and median.
reads() {
	"$STARTLINE" report "$1" --view metrics --format csv >"$1.report"
	python3 -c 'import csv, sys
for row in csv.DictReader(open(sys.argv[1])):
    print(row["id"], row["n"], row["median"])' "$1.report"
}
