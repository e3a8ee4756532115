# SPDX-License-Identifier: MIT
# What is handed out for CI systems: the GitHub action with its templates, and the examples.

load helpers

setup() {
	setup_workdir
	snippets="$BATS_TEST_DIRNAME/ci_snippets"
	action="$ROOT/tools/github-action"
	samples="$ROOT/build/tests/tools/ci_samples"
	unset GITHUB_STEP_SUMMARY GITHUB_OUTPUT STARTLINE_KEY STARTLINE_STORE
}

yaml_files() {
	ls "$action"/*.yml "$action"/comment/action.yml "$ROOT"/docs/examples/*.yml
}

@test "the YAML loads, and its shell passes shellcheck" {
	yaml_files >files
	[ "$(wc -l <files)" -ge 5 ]
	xargs "$snippets" shell "$ROOT/docs/examples/Jenkinsfile" <files >parts
	[ "$(wc -l <parts)" -ge 5 ]
	# A cd that fails ends the step: GitHub calls bash -e.
	xargs shellcheck -e SC2164 <parts
	shellcheck "$action/measure" "$action/comment/post"
}

@test "an expression inside a script is found" {
	printf 'steps:\n  - run: echo ${{ github.head_ref }}\n' >bad.yml
	fails "$snippets" shell bad.yml
}

@test "the workflow that runs a pull request's code has no token that can write" {
	python3 - "$action" <<-'END'
		import sys, yaml
		def load(name):
		    with open(f"{sys.argv[1]}/{name}") as f:
		        loaded = yaml.safe_load(f)
		    return loaded, repr(loaded)  # without the comments
		measuring, text = load("startline.yml")
		on = measuring[True]  # YAML 1.1 takes "on" for a truth value
		assert "pull_request" in on and "pull_request_target" not in on, on
		assert measuring["permissions"] == {"contents": "read"}
		assert all("permissions" not in job for job in measuring["jobs"].values())
		assert "secrets" not in text and "github.token" not in text
		checkout = measuring["jobs"]["check"]["steps"][0]["with"]
		assert checkout["persist-credentials"] is False
		commenting, text = load("startline-comment.yml")
		assert list(commenting[True]) == ["workflow_run"]
		assert commenting[True]["workflow_run"]["workflows"] == [measuring["name"]]
		assert commenting["permissions"] == {"actions": "read", "pull-requests": "write"}
		assert "checkout" not in text and "secrets" not in text
		action, text = load("action.yml")
		assert "token" not in action["inputs"] and "secrets" not in text
	END
}

# A startline that writes what it was told to, and prints what a hostile program would.
stub_startline() {
	cat >stub <<-'END'
		#!/bin/sh
		printf '%s\n' "$@" >"$CALLED"
		echo "::error::owned"
		printf '::set-output name=x::owned'
		for word; do
			case $word in
			github=*) echo "::error title=ours::verdict" >"${word#github=}" ;;
			esac
		done
		exit 1
	END
	chmod +x stub
	export STARTLINE="$PWD/stub" CALLED="$PWD/called" KERNEL=never
}

@test "what a measured program prints is fenced, the verdict is the exit status" {
	stub_startline
	status=0
	GITHUB_OUTPUT=output SCENARIOS=$'memory mode\n\n--odd' STRICT=true \
		"$action/measure" >log || status=$?
	[ "$status" = 1 ]
	[ "$(cat output)" = exit-code=1 ]
	token=$(sed -n '1s/^::stop-commands::\([0-9a-f]\{32\}\)$/\1/p' log)
	[ -n "$token" ]
	# Nothing but our own commands follows the fence, which begins a line.
	[ "$(sed -n "/^::$token::\$/,\$p" log)" = "::$token::
::error title=ours::verdict" ]
	[ "$(tail -n 4 called)" = $'--strict\n--\nmemory mode\n--odd' ]
	fails grep -qx -e --trusted called
	"$action/measure" >again || true
	fails grep -q "$token" again
}

@test "a commit that is not here is fetched, or else nothing is judged" {
	stub_startline
	git init -q origin
	git -C origin -c user.name=x -c user.email=x@x commit -q --allow-empty -m first
	first=$(git -C origin rev-parse HEAD)
	git -C origin -c user.name=x -c user.email=x@x commit -q --allow-empty -m second
	git clone -q --depth 1 "file://$PWD/origin" clone
	cd clone
	TRUSTED=$first "$action/measure" >log || true
	grep -qx "$first" ../called
	rm ../called
	status=0
	TRUSTED=0123456789012345678901234567890123456789 "$action/measure" >log 2>&1 || status=$?
	[ "$status" = 4 ]
	[ ! -e ../called ]
	grep -q "^::error title=startline::.*fetch-depth: 0" log
}

# fake_gh [COMMENT-ID]: writes down what it is asked; one pull request, 41.
fake_gh() {
	mkdir -p bin
	cat >bin/gh <<-END
		#!/bin/sh
		printf '%s\n' "\$*" >>"$PWD/asked"
		for word; do
			case \$word in body=@*) cp "\${word#body=@}" "$PWD/posted" ;; esac
		done
		case "\$*" in
		*/pulls*) echo 41 ;;
		*--paginate*) echo "$1" ;;
		esac
	END
	chmod +x bin/gh
	PATH="$PWD/bin:$PATH"
	export GITHUB_REPOSITORY=o/r HEAD_OWNER=stranger HEAD_BRANCH='$(touch owned)' HEAD_SHA=abc
	export RUN_URL=https://forge.example/run/1
}

@test "what startline wrote is posted as it is" {
	for which in some nasty many large none; do
		fake_gh ''
		rm -f asked
		"$samples" markdown "$which" >comment.md
		"$action/comment/post"
		cmp comment.md posted
		grep -q -e '-X POST repos/o/r/issues/41/comments' asked
	done
	[ ! -e owned ]
	grep -qF 'head=stranger:$(touch owned)' asked
}

@test "the comment that is there is replaced" {
	fake_gh 23
	"$samples" markdown some >comment.md
	"$action/comment/post"
	grep -q -e '-X PATCH repos/o/r/issues/comments/23 ' asked
	fails grep -q POST asked
}

@test "what startline does not write is not posted" {
	fake_gh ''
	for evil in 'cc @everyone' '<img src=x>' '[x](//evil.example)' 'see https://evil.example' \
		$'tab\tand \e[31m' 'é https://evil.example' $'nul \x01'; do
		printf '%s\n' '<!-- startline: check -->' "$evil" >comment.md
		"$action/comment/post"
		fails grep -q evil posted
		head -n 1 posted | grep -qxF -e '<!-- startline: withheld -->'
		grep -qF "$RUN_URL" posted
	done
	for first in 'no marker' '<!-- startline: --> <b> -->' '<!-- startline: a--b -->' \
		'<!-- startline:  -->' '<!-- startline: a b -->'; do
		printf '%s\n' "$first" text >comment.md
		"$action/comment/post"
		head -n 1 posted | grep -qxF -e '<!-- startline: withheld -->'
	done
	{ echo '<!-- startline: check -->' && head -c 70000 /dev/zero | tr '\0' x; } >comment.md
	"$action/comment/post"
	[ "$(wc -c <posted)" -le 1000 ]
	rm comment.md posted
	"$action/comment/post"
	[ ! -e posted ]
}

@test "a pull request that is slower and loosens its budget: failed, by the budget of its base" {
	git init -q repo
	cd repo
	git config user.name Somebody
	git config user.email somebody@example.org
	printf 'scenarios:\n  - name: start\n    command: ./program\n    runs: 6\n    target: "< %s"\n' \
		'150 ms' >startline.yml
	printf '#!/bin/sh\necho ::error::owned\n' >program
	chmod +x program
	git add . && git commit -qm base
	TRUSTED=$(git rev-parse HEAD)
	export TRUSTED STARTLINE="$ROOT/build/startline" KERNEL=never
	"$action/measure" >log
	fails grep -qx '::error::owned' log
	sed -i 's/150 ms/9 s/' startline.yml
	echo 'sleep 0.3' >>program
	git commit -qam 'slower'
	status=0
	GITHUB_OUTPUT=output GITHUB_STEP_SUMMARY=summary "$action/measure" >log || status=$?
	[ "$status" = 1 ]
	grep -q '^::error file=startline.yml,line=5,title=start%3A over budget::' log
	[ "$(sort output)" = "$(printf 'exit-code=1\nstatus=failed\n')" ]
	grep -q 'over budget' summary
	"$BATS_TEST_DIRNAME/validate" startline-verdict/verdict.json
	xmllint --noout startline-verdict/junit.xml
	cd ..
	fake_gh ''
	FILE=repo/startline-verdict/comment.md "$action/comment/post"
	cmp repo/startline-verdict/comment.md posted
}

# slower_repo: two commits on main, of which the second takes 300 ms more and is what origin/main is at.
slower_repo() {
	git init -q -b main repo
	cd repo
	git config user.name Somebody
	git config user.email somebody@example.org
	cat >startline.yml <<-'END'
		scenarios:
		  - name: start
		    command: ./program
		    runs: 2
		    base: { worktree: origin/main }
		    budgets: { time.wall: "< 9 s" }
	END
	printf '#!/bin/sh\n:\n' >program
	chmod +x program
	git add . && git commit -qm base
	first=$(git rev-parse HEAD)
	echo 'sleep 0.3' >>program
	git commit -qam slower
	git update-ref refs/remotes/origin/main HEAD
	PATH="$ROOT/build:$PATH"
}

@test "GitHub: a push is compared with the commit before it" {
	slower_repo
	export STARTLINE="$ROOT/build/startline" KERNEL=never GITHUB_REF_NAME=main
	# A first baseline is stored for the scenario that names one, whatever its command looks like.
	cat >>startline.yml <<-'END'
		  - { name: stored, command: "sh -c ': a, b'", runs: 2, baseline: main, prepare: ":" }
	END
	status=0
	BEFORE=$first "$action/measure" >log 2>&1 || status=$?
	[ "$status" = 1 ]
	grep -q '^::error file=startline.yml.*title=start%3A regressed::time.wall' log
	"$STARTLINE" baseline list | grep -q 'main:stored'
	[ "$("$STARTLINE" baseline list | grep -c 'main:start')" = 0 ]
	# A new branch has no commit before it; what is gone cannot be compared with.
	git update-ref refs/remotes/origin/main HEAD
	for before in 0000000000000000000000000000000000000000 \
		0123456789012345678901234567890123456789; do
		BEFORE=$before "$action/measure" >log 2>&1
	done
	grep -q '^::notice title=startline::commit 0123' log
	"$ROOT/build/startline" history --scenario start time.wall >history
	grep -q start history
}

@test "GitLab: the example runs, and its reports are there" {
	slower_repo
	python3 -c 'import yaml; print("\n".join(yaml.safe_load(open("'"$ROOT"'/docs/examples/gitlab-ci.yml"))["startline"]["script"]))' >script
	git update-ref refs/remotes/origin/main "$first"
	status=0
	CI=true CI_MERGE_REQUEST_DIFF_BASE_SHA=$first bash -e script >log 2>&1 || status=$?
	[ "$status" = 1 ]
	xmllint --noout startline-verdict/junit.xml
	grep -q 'startline_verdict{.*metric="time.wall".*startline_verdict="failed"} 1' startline-verdict/metrics.txt
	"$BATS_TEST_DIRNAME/validate" startline-verdict/verdict.json
	[ -s startline-verdict/comment.md ]
}

@test "Jenkins: the example runs, and its reports are there" {
	slower_repo
	python3 - "$ROOT/docs/examples/Jenkinsfile" >script <<-'END'
		import re, sys
		text = open(sys.argv[1]).read()
		print(text.split("script: " + 3 * chr(39))[1].split(3 * chr(39))[0])
	END
	git update-ref refs/remotes/origin/main "$first"
	status=0
	CI=true CHANGE_TARGET=main sh -xe script >log 2>&1 || status=$?
	[ "$status" = 1 ]
	xmllint --noout startline-verdict/junit.xml
	"$BATS_TEST_DIRNAME/validate" startline-verdict/verdict.json
}

@test "the commands in documents and examples are understood" {
	yaml_files | xargs "$snippets" commands "$ROOT"/docs/examples/Jenkinsfile "$ROOT"/docs/ci.md \
		"$ROOT"/README.md >commands
	[ "$(wc -l <commands)" -ge 10 ]
	tried=0
	while read -r words; do
		jq -j '.[] | gsub("\u0000"; "") + "\u0000"' <<<"$words" >words
		mapfile -d '' -t argv <words
		# --help comes after all else was understood; it has to stand before the command.
		with_help=()
		for word in "${argv[@]}"; do
			[ "$word" != -- ] || break
			with_help+=("$word")
		done
		"$STARTLINE" "${with_help[@]}" --help >said 2>&1 || {
			echo "startline ${argv[*]}"
			cat said
			return 1
		}
		tried=$((tried + 1))
	done <commands
	[ "$tried" -ge 5 ]
}
