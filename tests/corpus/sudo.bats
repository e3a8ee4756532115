#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The real sudo, called by a user of a world of its own, as tests/e2e/rights.bats imitates it.
bats_require_minimum_version 1.5.0
load ../e2e/helpers

ALICE=54321

setup() {
	setup_workdir
	[ "$(id -u)" = 0 ] || skip "not root"
	command -v sudo >/dev/null || skip "no sudo here"
	unshare -m true || skip "no mount namespaces here"
	public_copy
	mkdir -p "$PUBLIC/work/home"
	cd "$PUBLIC/work"
	chown $ALICE:0 . home
	mkdir etc
	cp /etc/passwd /etc/group /etc/shadow etc
	# Her primary group is root's.
	echo "alice:x:$ALICE:0::$PWD/home:/bin/bash" >>etc/passwd
	echo 'alice:*:20000::::::' >>etc/shadow
	echo 'testers:x:54399:alice' >>etc/group
	mkdir etc/sudoers.d
	echo 'alice ALL=(ALL) NOPASSWD: ALL' >etc/sudoers.d/alice
	chmod 440 etc/sudoers.d/alice
}

teardown() {
	remove_public_copy
}

# as_alice COMMAND: in her shell.
as_alice() {
	status=0
	unshare -m sh -c 'for f in passwd group shadow sudoers.d; do mount --bind etc/$f /etc/$f || exit 99; done
		exec setpriv --reuid '$ALICE' --regid 0 --groups 0,54399 \
			env -i PATH="$PATH" HOME="$PWD/home" USER=alice LOGNAME=alice SHELL=/bin/bash bash -c "$1" bash "$0"' \
		"$STARTLINE" "$1" >out 2>messages || status=$?
}

@test "sudo startline run: her ids, groups, home and files" {
	as_alice 'sudo "$1" run -q -- sh -c "id -u; id -g; id -G; echo \$HOME \$USER \$LOGNAME \$SHELL"'
	[ "$status" = 0 ]
	printf '%s\n' $ALICE 0 '0 54399' "$PWD/home alice alice /bin/bash" | diff - out
	[ -z "$(find .startline ! -user $ALICE)" ]
	as_alice 'sudo "$1" run --format json -o /dev/stdout -- true'
	jq -e '.runs[0].complete and .runs[0].processes[0].coverage.kernel == "bpf"' out || ! have_bpf
	as_alice 'sudo "$1" run --format json -o >(cat >piped) -- true; sleep 0.2'
	jq -e '.runs[0].complete' piped
}

# But for what sudo itself has added, and which shell counts.
@test "sudo startline run -- env prints what sudo -u alice env prints" {
	as_alice 'sudo -u alice env | grep -vE "^(SUDO_|_=|SHLVL=|MAIL=)" | sort'
	mv out plain
	as_alice 'sudo "$1" run -q -- env | grep -vE "^(SUDO_|_=|SHLVL=|MAIL=)" | sort'
	diff plain out
}

@test "sudo startline reads and writes as she may" {
	mkdir -m 700 closed
	echo hidden-word >closed/file
	as_alice 'sudo "$1" report closed/file'
	[ "$status" = 2 ]
	as_alice 'sudo "$1" run -q -o closed/report -- true'
	[ "$status" = 125 ]
	as_alice 'sudo "$1" run -q --save mine -- true && sudo "$1" baseline list && "$1" baseline list'
	[ "$(grep -c mine out)" = 2 ]
	[ "$(ls closed)" = file ]
}
