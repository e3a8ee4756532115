#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What was planted in the code of a program is told by the code's name: tests/live/planted.bats has the
# claim that goes with it, this one try of each kind.
bats_require_minimum_version 1.5.0
load ../e2e/helpers
load ../e2e/check_helpers
load ../live/planted/build.bash

setup() {
	setup_workdir
	require_bpf
}

# compared COMMAND...: ./old against ./new, in ./comparison.json and ./text.
compared() {
	for side in old new; do
		(cd $side && "$STARTLINE" run -q -n 6 --stacks 999 -o /dev/null --trace ../$side.slt -- "$@")
	done
	"$STARTLINE" compare old.slt new.slt --format json >comparison.json
	"$STARTLINE" compare old.slt new.slt >text
	cat text
}

# first CAUSE FIELD: of the first row of that cause; others may keep both sides waiting for a CPU.
first() {
	jq -r --arg cause "$1" "[.contributions.rows[] | select(.cause == \$cause)][0].$2" comparison.json
}

@test "a function that works longer" {
	build_start old -DUNITS=2
	build_start new -DUNITS=2 -DWORK_13=16
	compared ./start
	[ "$(first cpu function)" = work_13 ]
	[ "$(first cpu 'delta_low_ns > 0')" = true ]
	grep -Eq 'main +cpu +work_13$' text
	grep -Eq '^(cause|proven part): \+[0-9.]+ ms cpu in main: work_13$' text
}

@test "a heavier import, and the function in it" {
	build_import old 10
	build_import new 60
	compared /usr/bin/python3 app.py
	[ "$(first cpu import) $(first cpu function)" = "shop.prices null" ]
	grep -Eq 'main +cpu +import' text
	# A function of its own is named, and what it was imported for.
	sed -i 's/^/    /; 1i def fill():' new/shop/prices.py
	echo 'fill()' >>new/shop/prices.py
	compared /usr/bin/python3 app.py
	[ "$(first cpu import) $(first cpu function) $(first cpu module)" = "shop.prices fill prices.py" ]
	grep -Eq 'main +cpu +fill in' text
}

@test "one more library with relocations" {
	build_relocations old
	build_relocations new -ltables
	compared ./start
	[ "$(first cpu phase) $(first cpu module) $(first cpu function)" = "link libtables.so null" ]
	[ "$(first cpu base_ns)" = 0 ]
	grep -Eq 'link +cpu +libtables\.so$' text
}

@test "a slower constructor of another version of the library" {
	build_constructor old 5
	build_constructor new 20
	compared ./start
	[ "$(first cpu phase) $(first cpu function) $(first cpu module)" = "init build_catalog libcatalog.so" ]
	grep -Eq 'init +cpu +build_catalog' text
}

@test "a sleep that grew, and one that moved" {
	build_start old -DUNITS=0 -DOPEN_MS=20 -DWARM_MS=20
	build_start new -DUNITS=0 -DOPEN_MS=20 -DWARM_MS=30
	compared ./start
	[ "$(first sleep function)" = warm_cache ]
	near "$(first sleep delta_ns)" 10000000 10
	fails grep -q '^moved' text
	build_start old -DUNITS=0 -DOPEN_MS=40
	build_start new -DUNITS=0 -DWARM_MS=40
	compared ./start
	grep -Eqx 'moved: (39|40|41)[0-9.]* ms sleep in main: open_db -> warm_cache' text
	[ "$(jq '[.contributions.rows[] | select(.cause == "sleep" and .function != null)] | length' comparison.json)" = 2 ]
}

@test "check tells it of a stored baseline, too" {
	build_import old 10
	build_import new 60
	(cd old && "$STARTLINE" run -q -n 6 --stacks 999 -o /dev/null --trace ../old.slt -- /usr/bin/python3 app.py)
	"$STARTLINE" baseline save --force main old.slt
	cat >startline.yml <<-'END'
		baseline: main
		scenarios:
		  - { name: shop, command: /usr/bin/python3 app.py, directory: new, runs: 6, gate: [time.wall] }
	END
	check --out markdown=comment.md --out junit=junit.xml
	cat verdict.json
	v '[.outcomes[0].comparison.contributions[] | select(.cause == "cpu")][0].import' | grep -qx shop.prices
	grep -q 'import shop.prices' comment.md
	"$ROOT/tests/e2e/validate" verdict.json
}

@test "check tells what moved, where the whole has not changed" {
	build_start old -DUNITS=0 -DOPEN_MS=40
	build_start new -DUNITS=0 -DWARM_MS=40
	(cd old && "$STARTLINE" run -q -n 6 -o /dev/null --trace ../old.slt -- ./start)
	"$STARTLINE" baseline save --force main old.slt
	cat >startline.yml <<-'END'
		baseline: main
		scenarios:
		  - { name: start, command: ./start, directory: new, runs: 6, gate: [time.wall],
		      budgets: { time.wall: "< 10 ms" } }
	END
	run "$STARTLINE" check --out markdown=comment.md
	grep -Eq '^ *moved: (39|40|41)[0-9.]* ms sleep in main: open_db -> warm_cache' <<<"$output"
	grep -Eq '^moved: (39|40|41)[0-9.]* ms sleep in main: open.*db .* warm.*cache\.$' comment.md
}
