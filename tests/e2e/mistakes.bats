#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What is said to mistakes in startline.yml and on the command line: mistakes.txt has them, as they were
# reviewed. Each says where it is, which word is wrong, and what to write.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
}

# compare EXPECTED STATUS: with the last message in ./messages, without what all have in common. EXPECTED may
# end with "..." for a list that grows.
compare() {
	local said
	said=$(sed 's/^startline: error: //' messages | grep -v -e '^Try ' -e '^information' | tail -1)
	case "$2 $said" in
	"$1" | "${1%...}"*) [ "${1%...}" != "$1" ] || [ "$1" = "$2 $said" ] && return 0 ;;
	esac
	printf '%s\nexpected: %s\nsaid:     %s %s\n' "$title" "$1" "$2" "$said"
	return 1
}

# try_all: sets $n_files and $n_lines.
try_all() {
	local line status title='' wrong=0
	n_files=0 n_lines=0
	while IFS= read -r line; do
		status=0
		case $line in
		'# '*) title=$line && : >file.yml ;;
		'$ '*) title=$line ;;
		'=> '*)
			if [ "${title#\$ }" != "$title" ]; then
				n_lines=$((n_lines + 1))
				eval "\"\$STARTLINE\" ${title#\$ }" >/dev/null 2>messages </dev/null || status=$?
			else
				n_files=$((n_files + 1))
				mv file.yml case/startline.yml
				(cd case && "$STARTLINE" check --list) >/dev/null 2>messages || status=$?
			fi
			compare "${line#=> }" "$status" || wrong=1
			;;
		'') ;;
		*) printf '%s\n' "${line//<TAB>/$'\t'}" >>file.yml ;;
		esac
	done <"$BATS_TEST_DIRNAME/mistakes.txt"
	return "$wrong"
}

@test "every mistake says where it is, the word, and what to write" {
	mkdir case directory
	echo hello >text
	printf 'scenarios:\n  - { name: start, command: "true", target: "< 1 s" }\n' >startline.yml
	try_all
	[ "$n_files" -ge 40 ]
	[ "$n_lines" -ge 40 ]
	# Nothing was run, and nothing was saved.
	[ ! -e .startline ]
}

@test "what only running shows has its place as well" {
	cat >startline.yml <<-'END'
		scenarios:
		  - name: a
		    command: "true"
		    directory: nowhere
		    target: "< 1 s"
	END
	run -2 "$STARTLINE" check --format json
	[[ "$output" == *"startline.yml:4:16: there is no directory 'nowhere' here"* ]]
}
