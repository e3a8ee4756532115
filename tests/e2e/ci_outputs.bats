# SPDX-License-Identifier: MIT
# Verdict outputs, read by real readers of their formats.

load helpers

setup() {
	setup_workdir
	samples="$ROOT/build/tests/tools/ci_samples"
	inert="$BATS_TEST_DIRNAME/ci_inert"
	validate="$BATS_TEST_DIRNAME/validate"
	unset GITHUB_STEP_SUMMARY GITHUB_OUTPUT STARTLINE_KEY
}

# all FORMAT WHICH...: prints and checks each.
all() {
	for which in "${@:2}"; do
		"$samples" "$1" "$which" >"$which"
		"$inert" "$1" "$which"
	done
}

@test "Markdown: nothing hostile is alive when it is rendered" {
	command -v cmark-gfm || skip "cmark-gfm is not installed"
	all markdown some nasty many large none
	for which in some nasty many large none; do
		[ "$(wc -c <"$which")" -le 65536 ]
	done
}

@test "JUnit: well-formed, of the common subset, counted right" {
	all junit some nasty none
	xmllint --noout some nasty none
}

@test "GitHub: commands are ours alone, everything else is fenced" {
	all github some nasty many large none
	# The token is another one each time.
	"$samples" github some >again
	fails cmp -s some again
}

@test "GitHub: the summary is as inert as the comment" {
	command -v cmark-gfm || skip "cmark-gfm is not installed"
	GITHUB_STEP_SUMMARY=summary GITHUB_OUTPUT=output "$samples" github nasty >log
	"$inert" markdown summary
	[ "$(cat output)" = status=misconfigured ]
}

@test "GitLab: OpenMetrics" {
	python3 -c 'import prometheus_client' || skip "python3-prometheus-client is not installed"
	all gitlab some nasty large none
	[ "$(wc -c <large)" -le 8389000 ]
	grep -qx 'startline_left_out 0' some
	fails grep -qx 'startline_left_out 0' large
}

@test "JSON: valid against docs/verdict.schema.json" {
	for which in some nasty none; do
		"$samples" json $which >$which.json
		"$validate" $which.json
		fails env LC_ALL=C grep -q "$(printf '[\001-\010\013-\037]')" $which.json
	done
	[ "$(jq -r '.outcomes[0].interleaved.seed' some.json)" = 18446744073709551615 ]
	[ "$(jq '.outcomes[0].comparison | ([.contributions[].delta_ns] | add) == .head_total_ns - .base_total_ns' some.json)" = true ]
}

@test "the schema refuses what is no verdict" {
	"$samples" json some >some.json
	for change in 'del(.outcomes)' '.status = "fine"' '.outcomes[0].kind = "guessed"' \
		'.outcomes[0].judgements[0].verdict = "worse"' '.outcomes[0].interleaved.seed = 23' \
		'.outcomes[0].judgements[0].actual = "1 s"' '.outcomes[0].unknown = 1' \
		'.outcomes[0].comparison.contributions[0].delta_ns = null'; do
		jq "$change" some.json >changed.json
		if "$validate" changed.json >said; then
			echo "accepted: $change"
			return 1
		fi
	done
}

# hostile_programs: two of them, of evil names and evil output.
hostile_programs() {
	mkdir 'a b'
	for i in 1 2; do
		cat >"a b/::error::owned <img src=x> @all $i" <<-'END'
			#!/bin/sh
			printf '::error::owned\n##[error]owned\n\033[31m\033]0;owned\007<script>\n'
			printf '::set-output name=x::owned\n' >&2
		END
	done
	chmod +x "a b"/*
	outputs=(--out json=verdict.json --out markdown=comment.md --out junit=junit.xml
		--out github=github --out gitlab=gitlab)
	export GITHUB_STEP_SUMMARY=summary GITHUB_OUTPUT=output
}

all_are_inert() {
	"$inert" markdown comment.md
	"$inert" markdown summary
	"$inert" junit junit.xml
	xmllint --noout junit.xml
	"$inert" github github
	"$inert" gitlab gitlab
	"$validate" verdict.json
	fails env LC_ALL=C grep -q "$(printf '[\001-\010\013-\037]')" report messages verdict.json
	fails grep -qE '^ *::|##\[' report messages
	rm -f summary output
}

@test "ab: commands and output of hostile programs stay inert in every format" {
	command -v cmark-gfm || skip "cmark-gfm is not installed"
	hostile_programs
	"$STARTLINE" ab --pairs 3 "${outputs[@]}" \
		--base "'./a b/::error::owned <img src=x> @all 1' '[x](http://evil.example)' '|' \$'\`'" \
		--head "'./a b/::error::owned <img src=x> @all 2' ']]>&#0;' '%0A::error::owned'" \
		>report 2>messages
	all_are_inert
}

@test "check: hostile scenarios stay inert in every format" {
	command -v cmark-gfm || skip "cmark-gfm is not installed"
	hostile_programs
	cat >'::warning::x,y.yml' <<-'END'
		scenarios:
		  - name: "\e[31m::error::owned\n::error::owned <img src=x> @all [x](http://evil.example) #1"
		    command: "'./a b/::error::owned <img src=x> @all 1' ']]>&#0;' '%0A::error::owned' '|' '`'"
		    runs: 2
		    target: "< 1 ns"
		    budgets:
		      "time.child[<script>*]": "< 1 s"
		      "net.connect[tcp ::error::*]": "< 1 s"
		  - name: "]]></failure> ${{ github.token }} | a | /close"
		    command: "false '##[error]owned'"
		    runs: 2
		    target: "< 5 s"
	END
	status=0
	"$STARTLINE" check -f '::warning::x,y.yml' "${outputs[@]}" >report 2>messages || status=$?
	cat report messages
	[ "$status" = 3 ]
	all_are_inert
}
