#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline init: what it finds, and that what it writes is what check takes.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
}

# found: the scenarios of what is proposed here, as "name: command ready", one per line.
found() {
	"$STARTLINE" init -o proposed.yml --force -q
	"$STARTLINE" check -f proposed.yml --list --format json |
		jq -r '.rows[] | "\(.scenario): \(.command) \(.ready // "")"' | sed 's/ $//' | sort
}

# finds EXPECTED...: exactly these, each after the files before it were removed.
finds() {
	printf '%s\n' "$@" | sort >expected
	found | diff expected -
	find . -mindepth 1 ! -name . -delete
}

@test "each kind of project is found by its files" {
	echo '{ "scripts": { "start": "node a.js", "test": "jest", "build": "tsc" } }' >package.json
	finds 'npm start: npm start accept' 'npm test: npm test' 'npm run build: npm run build'
	echo '{ "scripts": { "test": "echo \"Error: no test specified\" && exit 1", "build": "tsc" } }' >package.json
	touch yarn.lock
	finds 'npm run build: yarn run build'
	printf '[tool.pytest.ini_options]\n' >pyproject.toml
	printf 'import django\n' >manage.py
	finds 'pytest: python3 -m pytest -q' 'django server: python3 manage.py runserver --noreload accept'
	mkdir tests && printf 'def test_a():\n\tpass\n' >tests/test_a.py
	finds 'pytest: python3 -m pytest -q'
	printf 'all:\ntest := no target\n.PHONY: check\ncheck: all\n' >Makefile
	finds 'make: make -B' 'make check: make check'
	touch go.mod
	finds 'go test: go test -count=1 ./...' 'go build: go build -a ./...'
	touch Cargo.toml
	finds 'cargo test: cargo test'
	printf 'enable_testing()\n' >CMakeLists.txt
	finds 'ctest: ctest --test-dir build' 'cmake build: cmake --build build --clean-first'
	printf 'services:\n  a: {}\n' >docker-compose.yml
	finds 'compose: docker compose up --detach --wait'
}

@test "what an image and a service run" {
	printf 'FROM a\nEXPOSE 80\nENTRYPOINT ["./server", "--name", "a b"]\nCMD ["--port", "80"]\n' >Dockerfile
	finds "image: ./server --name 'a b' --port 80 accept"
	printf 'FROM a\nCMD npm start\n' >Dockerfile
	mkdir deploy
	printf '[Service]\nType=notify\nExecStart=-/usr/bin/a --b\n' >deploy/a.service
	printf '[Service]\nType=oneshot\nExecStart=/usr/bin/once\n' >b.service
	printf '[Service]\nExecStart=/usr/bin/c %%i\n' >c@.service
	finds 'a.service: /usr/bin/a --b notify' 'b.service: /usr/bin/once'
}

@test "what is written stays, says what comes next, and runs" {
	require_bpf
	printf 'test:\n\t@true\n' >Makefile
	"$STARTLINE" init >said
	grep -qxF "  make test        Makefile has the target 'test'" said
	grep -qxF 'next: look at it, then `startline check --save`' said
	run -2 "$STARTLINE" init
	[[ "$output" == *"is there already and stays as it is"*"--force replaces"* ]]
	"$STARTLINE" init -o - | diff - startline.yml
	sed -i 's/^baseline/runs: 2\nbaseline/' startline.yml
	"$STARTLINE" check --save 'make test' >text
	grep -q 'stored as the first baseline, @main:make test' text
	"$STARTLINE" init --force -q
	fails grep -q 'runs: 2' startline.yml
	"$STARTLINE" init -o 'a file.yml' | grep -qxF "next: look at it, then \`startline check --save -f 'a file.yml'\`"
}

@test "what cannot be written costs nothing that was there" {
	printf 'test:\n\t@true\n' >Makefile
	echo '# mine' >startline.yml
	chmod 640 startline.yml
	run -6 bash -c 'ulimit -f 0 && exec "$1" init --force -q' - "$STARTLINE"
	[[ "$output" == *"cannot write 'startline.yml'"* ]]
	[ "$(cat startline.yml)" = '# mine' ]
	[ "$(ls | wc -l)" = 2 ]
	"$STARTLINE" init --force -q
	grep -q 'make test' startline.yml
	[ "$(stat -c %a startline.yml)" = 640 ]
}

@test "where there is nothing it says so, and hostile files stay comments" {
	"$STARTLINE" init >said
	grep -q 'nothing was found' said
	"$STARTLINE" check --list | grep -q '^1 scenario'
	rm startline.yml
	printf '[Service]\nExecStart=/bin/a\t\033[31m\n' >a.service
	printf '[Service]\nExecStart=/bin/b # {x}\n' >b.service
	printf '[Service]\nExecStart=/bin/c: "it'"'"'s" && d # e\n' >"c.service"
	printf '[Service]\nExecStart=/bin/d\n' >$'d\n  - name: e.service'
	finds "c.service: /bin/c: \"it's\" && d # e accept"
}
