# SPDX-License-Identifier: MIT
# docs/report.schema.json describes what the program writes: completely, and not too leniently.

load helpers

setup() {
	setup_workdir
	validate="$BATS_TEST_DIRNAME/validate"
	golden="$ROOT/tests/golden/report.json"
}

@test "the golden session document is valid" {
	"$validate" "$golden"
}

@test "what run writes is valid, and so is what report writes of it" {
	session --runs 2 -- /bin/sh -c '/bin/true; exit 0'
	[ "$status" -eq 0 ]
	"$validate" session.json
	"$STARTLINE" report --format json session.json >again.json
	"$validate" again.json
	cmp session.json again.json
}

@test "arguments that are not text are valid too, and come back" {
	session -- /bin/sh -c 'exit 0' "$(printf 'a\033[31m\n\377\\xff')"
	[ "$status" -eq 0 ]
	"$validate" session.json
	[ "$(q '.command[3]' | head -c 1)" = a ]
	! grep -q "$(printf '\033')" session.json
	"$STARTLINE" report --format json session.json >again.json
	cmp session.json again.json
}

@test "the schema refuses what is no session document" {
	for change in 'del(.runs)' '.schema = "startline.report/2"' '.metrics[0].unit = "parsec"' \
		'.runs[0].startup.segments[0].cause = "boredom"' \
		'.runs[0].startup.segments[0].duration_ns = null' \
		'.runs[0].processes[0].id = 0' '.runs[0].complete = "yes"' \
		'.runs[0].losses.bpf = -1' '.metrics[0].values = ["1"]' \
		'.runs[0].processes[0].argv = "sh"' '.runs[0].startup.total_ns = 1.5'; do
		jq "$change" "$golden" >changed.json
		if "$validate" changed.json >said; then
			echo "accepted: $change"
			return 1
		fi
		[ -s said ]
	done
}
