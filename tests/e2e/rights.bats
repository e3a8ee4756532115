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
	unshare -m true || skip "no mount namespaces here"
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
	[ -z "$(find /dev/shm -maxdepth 1 -name 'startline-*' -user $ALICE)" ]
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

@test "under sudo a set-uid program is looked at as root" {
	cp /bin/cat setuid-cat
	chmod 4755 setuid-cat
	head -c 500000 /dev/zero >file
	cd home/alice
	cp ../../passwd ../../group .
	sudo_as alice "$STARTLINE" run --probes shim --format json -o session.json -- ../../setuid-cat ../../file
	[ "$status" = 0 ]
	[ "$(q '.runs[0].processes[0].read_bytes')" != null ]
}

@test "lanes lie where nobody can put another directory in their place" {
	unshare -m sh -c 'mount -t tmpfs -o mode=777 none /dev/shm && "$@"' sh \
		"$STARTLINE" run --format json -o session.json -- sh -c 'ls /dev/shm; ls -d /tmp/startline-??????' >out
	grep -q '^/tmp/startline-' out
	[ "$(wc -l <out)" -ge 1 ]
	fails grep -q '^startline-' out
}

# in_shared: where everybody can write, and alice was first.
in_shared() {
	mkdir -m 777 shared
	cd shared
	export HOME=$PUBLIC/work/home XDG_STATE_HOME=
	chmod 755 "$HOME"
}

# Twenty-five recordings of root's, which nobody may prune.
root_recordings() {
	mkdir "$PUBLIC/work/secret/kept"
	for i in $(seq 10 34); do
		echo "$i" >"$PUBLIC/work/secret/kept/20260101-0000$i-000000-1.slt"
	done
}

kept() {
	[ "$(find "$PUBLIC/work/secret/kept" -type f | wc -l)" = 25 ]
}

@test "a .startline that somebody else has put there is not used" {
	root_recordings
	in_shared
	as_alice ln -s "$PUBLIC/work/secret/kept" .startline
	"$STARTLINE" run -- sh -c 'true hidden-word' 2>messages
	grep -q "'.startline' here is not used" messages
	kept
	[ "$(find "$HOME/.local/state/startline" -name '*.slt' | wc -l)" = 1 ]
	rm .startline
	# A directory of theirs, with a recording of theirs in it.
	as_alice mkdir .startline
	"$STARTLINE" run -q --trace theirs.slt -- echo planted-word >/dev/null
	chown $ALICE theirs.slt
	mv theirs.slt .startline/99991231-000000-000000-1.slt
	"$STARTLINE" run -q -- true 2>messages
	[ "$(find .startline -type f | wc -l)" = 1 ]
	"$STARTLINE" report >out 2>messages
	fails grep -q planted-word out
	grep -q "'.startline' here is not used" messages
	# One of ours that others may write is no better.
	rm -r .startline
	mkdir -m 777 .startline
	"$STARTLINE" run -q -- true 2>messages
	[ -z "$(ls .startline)" ]
}

@test "the state directory is reached by no link of somebody else's" {
	root_recordings
	in_shared
	export HOME=$PWD/theirs
	mkdir .startline
	chmod 777 .startline
	as_alice mkdir -p theirs
	as_alice ln -s "$PUBLIC/work/secret/kept" theirs/.local
	"$STARTLINE" run -- true 2>messages
	grep -q 'no place to keep the recording' messages
	[ ! -e "$PUBLIC/work/secret/kept/state" ]
	rm theirs/.local
	as_alice mkdir -p theirs/.local/state
	as_alice ln -s "$PUBLIC/work/secret/kept" theirs/.local/state/startline
	"$STARTLINE" run -- true 2>messages
	kept
}

# refused: saving a baseline fails, and lists nothing planted.
refused() {
	status=0
	"$STARTLINE" baseline save mine "$PUBLIC/work/secret/s.json" "$@" >out 2>messages || status=$?
	[ "$status" = 6 ]
	status=0
	"$STARTLINE" baseline list "$@" >out 2>messages || status=$?
	fails grep -q planted out
}

@test "a store that somebody else can change is not used" {
	"$STARTLINE" run -q --probes none --trace secret/t.slt -- true
	"$STARTLINE" report secret/t.slt --format json >secret/s.json
	"$STARTLINE" baseline save planted secret/s.json --store secret/planted.db
	in_shared
	# Theirs, by a link, by a second name, by the directory.
	mkdir -m 700 .startline
	cp ../secret/planted.db .startline/history.db
	chown $ALICE .startline/history.db
	refused
	chown 0 .startline/history.db
	chmod 666 .startline/history.db
	refused
	rm .startline/history.db
	chown $ALICE .startline
	refused
	refused --store "$PWD/history.db"
	[ ! -e history.db ]
	rmdir .startline
	as_alice ln -s ../secret .startline
	refused
	[ ! -e ../secret/history.db ]
	rm .startline
	# What SQLite would take for its own.
	for end in wal shm journal; do
		mkdir -p -m 700 .startline
		"$STARTLINE" baseline save mine ../secret/s.json
		echo x >.startline/history.db-$end
		chown $ALICE .startline/history.db-$end
		refused
		rm -r .startline
	done
	"$STARTLINE" baseline save mine ../secret/s.json
	"$STARTLINE" baseline list >out
	grep -q mine out
	[ "$(stat -c %a .startline/history.db)" = 600 ]
}

@test "files that are written follow nothing that somebody else has put there" {
	echo precious >secret/file
	in_shared
	cat >startline.yml <<-END
		scenarios: [{ name: a, command: "true", runs: 1 }]
	END
	write_all() {
		"$STARTLINE" run -o file -- true 2>messages || true
		"$STARTLINE" run -q --trace file -- true 2>messages || true
		"$STARTLINE" check --out json=file >out 2>messages || true
		GITHUB_STEP_SUMMARY=$PWD/file GITHUB_OUTPUT=$PWD/file \
			"$STARTLINE" check --out github=/dev/null >out 2>messages || true
		STARTLINE_STORE=postgresql://127.0.0.1:1/x TMPDIR=$PWD \
			"$STARTLINE" check >out 2>messages || true
		[ "$(cat ../secret/file)" = precious ]
	}
	as_alice ln -s ../secret/file file
	write_all
	rm -f file
	mkdir -m 777 dir
	ln -s ../secret dir/link
	chown -h $ALICE dir/link
	"$STARTLINE" run -o dir/link/new -- true 2>messages || true
	[ ! -e ../secret/new ]
	ln ../secret/file file
	write_all
	rm -f file
	# A FIFO of theirs would be told what root's report says.
	as_alice mkfifo file
	(timeout 20 cat file >told) 3>&- &
	write_all
	[ ! -s told ]
	rm -f file
	echo >file
	chown $ALICE file
	"$STARTLINE" run -o file -- true
	[ "$(stat -c %u file)" = 0 ]
}

@test "a FIFO of one's own is waited for, until it is read or one has enough" {
	mkfifo fifo
	"$STARTLINE" run -o fifo -- true 3>&- &
	pid=$!
	sleep 0.5
	kill -0 $pid
	timeout 20 cat fifo >report
	wait $pid
	grep -q '^done in' report
	for signal in INT TERM HUP; do
		env --default-signal=INT "$STARTLINE" run -o fifo -- true 2>messages 3>&- &
		pid=$!
		sleep 0.5
		kill -$signal $pid
		timeout 10 tail --pid=$pid -f /dev/null
		status=0
		wait $pid || status=$?
		[ "$status" = 125 ]
	done
	"$STARTLINE" run -o >(cat >report) -- true
	"$STARTLINE" run -o /dev/stdout -- true | grep -q '^done in'
}

# For three seconds alice changes what `.startline` is, as fast as she can.
@test "what changes between the look and the use is not followed either" {
	root_recordings
	in_shared
	as_alice sh -c 'while [ ! -e ../stop ]; do
		ln -sfn "$1" .startline; mv .startline old; mkdir .startline; echo x >.startline/history.db
		mv .startline old2; ln -s "$1/history.db" file; rm -rf old old2 file
	done 2>/dev/null' sh "$PUBLIC/work/secret/kept" 3>&- &
	swapper=$!
	end=$((SECONDS + 3))
	while [ $SECONDS -lt $end ]; do
		"$STARTLINE" run --probes none --save "s$RANDOM" -o file -- true 2>messages || true
		"$STARTLINE" run -q --probes none -- true 2>messages || true
	done
	touch ../stop
	wait $swapper || true # a bare wait would wait for the time-out of bats, too
	kept
	[ ! -e "$PUBLIC/work/secret/kept/history.db" ]
}
