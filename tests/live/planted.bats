#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A change that was planted is what `startline ab` names first: 10 % more work in one function of a start of 300
# ms, a heavier import of Python, one more library with many relocations, a slower constructor, a sleep
# that moved into another function, and one that grew. LIVE_PLANTED tries of each (20).
bats_require_minimum_version 1.5.0
export BATS_TEST_TIMEOUT=7200
load ../e2e/helpers
load planted/build.bash

LIVE_PLANTED=${LIVE_PLANTED:-20}

setup() {
	setup_workdir
	require_bpf
	SECONDS=0
}

# tries TEXT FILTER COMMAND...: how often the line under the verdict matches TEXT, and the first row FILTER.
tries() {
	local text=$1 filter=$2 named=0 rows=0 pairs=0
	shift 2
	for ((i = 0; i < LIVE_PLANTED; i++)); do
		"$STARTLINE" ab -q --pairs "${PAIRS:-30}" --base-directory old --head-directory new \
			--out json="v.$i.json" -o "text.$i" --trace "t.$i.slt" -- "$@"
		pairs=$((pairs + $(jq '.outcomes[0].interleaved.pairs' "v.$i.json")))
		# Lines as they were before they were broken.
		if sed ':a;N;$!ba;s/\n  */ /g' "text.$i" | sed '/^control:/q' | grep -qE "$text"; then
			named=$((named + 1))
		else
			cat "text.$i"
		fi
		if jq -e ".outcomes[0].comparison.contributions[0] | $filter" "v.$i.json" >/dev/null; then
			rows=$((rows + 1))
		fi
	done
	echo "# live: $BATS_TEST_DESCRIPTION: named in $named, first row in $rows of $LIVE_PLANTED," \
		"$((pairs / LIVE_PLANTED)) pairs and $((SECONDS / LIVE_PLANTED)) s each" >&3
	[ "$named $rows" = "$LIVE_PLANTED $LIVE_PLANTED" ]
}

@test "10 % more in one function" {
	build_start old
	build_start new -DWORK_13=45
	tries '^(cause|proven part): \+[23][0-9.]+ ms cpu in main: work_13$' '.function == "work_13" and .delta_ns > 0' ./start
}

@test "a heavier import" {
	build_import old 10
	build_import new 60
	tries '^(cause|proven part): \+[0-9.]+ ms cpu in main: .*shop\.prices' '.import == "shop.prices" and .delta_ns > 0' \
		/usr/bin/python3 app.py
}

@test "one more library with relocations" {
	build_relocations old
	build_relocations new -ltables
	tries '^(cause|proven part): \+[0-9.]+ ms cpu in link: .*libtables\.so' \
		'.phase == "link" and .module == "libtables.so" and .delta_ns > 0' ./start
}

@test "a slower constructor" {
	build_constructor old 10
	build_constructor new 20
	tries '^(cause|proven part): \+[0-9.]+ ms cpu in init: build_catalog in libcatalog\.so' \
		'.phase == "init" and .function == "build_catalog" and .module == "libcatalog.so" and .delta_ns > 0' ./start
}

@test "a sleep that grew" {
	build_start old -DUNITS=2 -DOPEN_MS=40 -DWARM_MS=40
	build_start new -DUNITS=2 -DOPEN_MS=40 -DWARM_MS=60
	tries '^(cause|proven part): \+[12][0-9.]+ ms sleep in main: warm_cache' \
		'.function == "warm_cache" and .cause == "sleep" and .delta_ns > 0' ./start
}

@test "a sleep that moved" {
	build_start old -DUNITS=2 -DOPEN_MS=40
	build_start new -DUNITS=2 -DWARM_MS=40
	tries '^moved: (39|40|41)[0-9.]* ms sleep in main: open_db -> warm_cache$' \
		'.function == "warm_cache" or .function == "open_db" and .cause == "sleep"' ./start
}
