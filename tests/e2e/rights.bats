#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Under sudo startline has root's kernel and the caller's files; and root in a place where others can
# write follows nothing that they have put there.
bats_require_minimum_version 1.5.0
load helpers

ALICE=54321
CAROL=54322 # whose group is root's
TESTERS=54399

setup() {
	setup_workdir
	[ "$(id -u)" = 0 ] || skip "not root"
	public_copy
	mkdir "$PUBLIC/work"
	cd "$PUBLIC/work"
	mkdir -p home/alice secret
	chown $ALICE:$ALICE home/alice
	chmod 700 secret
	cp /etc/passwd /etc/group .
	echo "alice:x:$ALICE:$ALICE::$PWD/home/alice:/bin/sh" >>passwd
	echo "carol:x:$CAROL:0::/nonexistent:/bin/sh" >>passwd
	printf 'alice:x:%s:\ntesters:x:%s:alice\n' $ALICE $TESTERS >>group
}

teardown() {
	remove_public_copy
}

# with_users COMMAND: in a world in which alice and carol exist.
with_users() {
	unshare -m sh -c 'mount --bind passwd /etc/passwd && mount --bind group /etc/group && exec "$@"' sh "$@"
}

# sudo_as NAME COMMAND: as sudo would run it, called by NAME; root is in group 27 besides its own.
sudo_as() {
	local name=$1 uid=$ALICE gid=$ALICE
	shift
	[ "$name" != carol ] || { uid=$CAROL gid=0; }
	status=0
	with_users env SUDO_UID=$uid SUDO_GID=$gid SUDO_USER="$name" HOME=/root USER=root LOGNAME=root \
		setpriv --groups 0,27 "$@" >out 2>messages || status=$?
}

as_alice() {
	setpriv --reuid $ALICE --regid $ALICE --clear-groups "$@"
}

@test "under sudo the program has the caller's ids, groups and home" {
	sudo_as alice "$STARTLINE" run -q --trace home/alice/t.slt -- \
		sh -c 'id -u; id -g; id -G; echo "$HOME $USER $LOGNAME"; grep -c "Cap[PE].*:.0*$" /proc/self/status'
	[ "$status" = 0 ]
	printf '%s\n' $ALICE $ALICE "$ALICE $TESTERS" "$PWD/home/alice alice alice" 2 | diff - out
	[ "$(stat -c '%u:%g' home/alice/t.slt)" = "$ALICE:$ALICE" ]
	# What the caller chose stays.
	HOME=/root sudo_as alice env HOME=/chosen "$STARTLINE" run -q --trace home/alice/t.slt -- sh -c 'echo $HOME'
	grep -qx /chosen out
}

@test "a caller whose group is root's is no root" {
	sudo_as carol "$STARTLINE" run -q --trace /dev/shm/startline-test.$$ -- sh -c 'id -u; id -g; id -G'
	rm -f /dev/shm/startline-test.$$
	[ "$status" = 0 ]
	printf '%s\n' $CAROL 0 0 | diff - out
	sudo_as carol "$STARTLINE" run -q -o secret/report -- true
	[ "$status" = 125 ]
	[ -z "$(ls secret)" ]
}

@test "a caller whose rights cannot be taken is no root either" {
	for uid in 12x -1 '' 4294967295; do
		status=0
		SUDO_UID=$uid SUDO_GID=1 "$STARTLINE" run -q -- touch ran 2>messages || status=$?
		[ "$status" = 125 ]
		grep -q SUDO_UID messages
	done
	# In a namespace that knows nobody but root.
	status=0
	unshare -U -r env SUDO_UID=$ALICE SUDO_GID=$ALICE "$STARTLINE" run -q -- touch ran 2>messages || status=$?
	[ "$status" = 125 ]
	[ ! -e ran ]
	# Root that calls sudo is root.
	SUDO_UID=0 SUDO_GID=0 "$STARTLINE" run -q -- touch ran
	[ -e ran ]
}

@test "under sudo root's groups open nothing, the caller's do" {
	mkdir -m 770 of_27 of_testers
	chgrp 27 of_27
	chgrp $TESTERS of_testers
	for option in -o --trace; do
		sudo_as alice "$STARTLINE" run $option of_27/file -- true
		[ "$status" = 125 ]
		sudo_as alice "$STARTLINE" run --trace of_testers/t.slt $option of_testers/file -- true
		[ "$status" = 0 ]
	done
	[ -z "$(ls of_27)" ]
	[ "$(stat -c %u of_testers/file)" = $ALICE ]
}

@test "under sudo nothing is read that the caller may not read" {
	"$STARTLINE" run -q --trace secret/t.slt -- echo hidden-word
	"$STARTLINE" report secret/t.slt --format json >secret/s.json
	printf '<testsuite><testcase name="hidden-word" time="1"/></testsuite>\n' >secret/junit.xml
	printf 'scenarios:\n  - hidden-word: 1\n' >secret/startline.yml
	cat >home/alice/startline.yml <<-END
		scenarios:
		  - { name: a, results: $PWD/secret/junit.xml, budgets: { "time.wall": "< 1 s" } }
	END
	for file in t.slt s.json junit.xml; do
		sudo_as alice "$STARTLINE" report "$PWD/secret/$file"
		[ "$status" = 2 ]
		fails grep -q hidden-word out messages
		sudo_as alice "$STARTLINE" compare "$PWD/secret/$file" "$PWD/secret/$file"
		[ "$status" = 2 ]
		fails grep -q hidden-word out messages
	done
	sudo_as alice "$STARTLINE" check -f "$PWD/secret/startline.yml"
	[ "$status" = 2 ]
	fails grep -q hidden-word out messages
	sudo_as alice "$STARTLINE" check -f "$PWD/home/alice/startline.yml"
	[ "$status" = 4 ]
	fails grep -q hidden-word out messages
	sudo_as alice "$STARTLINE" baseline list --store "$PWD/secret/history.db"
	sudo_as alice "$STARTLINE" baseline save x "$PWD/home/alice/startline.yml" --store "$PWD/secret/history.db"
	[ "$status" != 0 ]
	[ ! -e secret/history.db ]
}

@test "under sudo the kernel's events and the run's cgroup are had all the same" {
	require_bpf
	"$STARTLINE" run --format json -o root.json -- sh -c 'true; true'
	cd home/alice
	cp ../../passwd ../../group .
	sudo_as alice "$STARTLINE" run --format json -o "$PWD/alice.json" -- sh -c 'true; true'
	[ "$status" = 0 ]
	same='[.runs[0].complete, (.runs[0].processes | map(.coverage)), (.metrics[] | select(.id == "mem.peak_cgroup") | .n)]'
	jq "$same" ../../root.json >../../root
	jq "$same" alice.json | diff ../../root -
	[ -z "$(find /dev/shm /sys/fs/cgroup -name 'startline-*' -newer passwd 2>/dev/null)" ]
}

@test "--user: the directory of the target's lanes is used with the target's rights" {
	cd home/alice
	cp ../../passwd ../../group .
	status=0
	# What the program finds and plants there leads to a file of root's.
	echo precious >"../../secret/file"
	chmod 644 ../../secret/file
	with_users "$STARTLINE" run --user alice --format json -o session.json -- sh -c '
		d=$(find /dev/shm -maxdepth 1 -name "startline-*" -user alice 2>/dev/null | tail -n 1)
		stat -c %u "$d" "$d"/* | sort -u
		ln -s '"$PWD"'/../../secret/file "$d/77-88"; sleep 0.1' >out 2>messages || status=$?
	[ "$status" = 0 ]
	[ "$(cat out)" = $ALICE ]
	[ "$(cat ../../secret/file)" = precious ]
	[ "$(stat -c %a ../../secret/file)" = 644 ]
}
