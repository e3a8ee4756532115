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
	! cmp -s some again
}

@test "GitHub: the summary is as inert as the comment" {
	command -v cmark-gfm || skip "cmark-gfm is not installed"
	GITHUB_STEP_SUMMARY=summary GITHUB_OUTPUT=output "$samples" github nasty >log
	"$inert" markdown summary
	[ "$(cat output)" = status=trouble ]
}

@test "GitLab: OpenMetrics" {
	python3 -c 'import prometheus_client' || skip "python3-prometheus-client is not installed"
	all gitlab some nasty large none
	[ "$(wc -c <large)" -le 8389000 ]
	grep -qx 'startline_left_out 0' some
	! grep -qx 'startline_left_out 0' large
}

@test "JSON: valid against docs/verdict.schema.json" {
	for which in some nasty none; do
		"$samples" json $which >$which.json
		"$validate" $which.json
		! LC_ALL=C grep -q "$(printf '[\001-\010\013-\037]')" $which.json
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

# What a hostile program is called and prints, through the real command into every output.
@test "ab: commands and output of a hostile program stay inert in every format" {
	command -v cmark-gfm || skip "cmark-gfm is not installed"
	mkdir 'a b'
	for i in 1 2; do
		cat >"a b/::error::owned <img src=x> @all $i" <<-'END'
			#!/bin/sh
			printf '::error::owned\n##[error]owned\n\033[31m\033]0;owned\007<script>\n'
			printf '::set-output name=x::owned\n' >&2
		END
	done
	chmod +x "a b"/*
	for show in '' --show-output; do
		GITHUB_STEP_SUMMARY=summary GITHUB_OUTPUT=output "$STARTLINE" ab $show --pairs 3 \
			--base "'./a b/::error::owned <img src=x> @all 1' '[x](http://evil.example)' '|' \$'\`'" \
			--head "'./a b/::error::owned <img src=x> @all 2' ']]>&#0;' '%0A::error::owned'" \
			--out json=verdict.json --out markdown=comment.md --out junit=junit.xml \
			--out github=github --out gitlab=gitlab >report 2>messages
		"$inert" markdown comment.md
		"$inert" markdown summary
		"$inert" junit junit.xml
		xmllint --noout junit.xml
		"$inert" github github
		"$inert" gitlab gitlab
		"$validate" verdict.json
		! LC_ALL=C grep -q "$(printf '[\001-\010\013-\037]')" report verdict.json
		! grep -qE '^ *::|##\[' report
		# With the output let through it is the caller who fences it.
		[ -n "$show" ] || ! grep -qE '^ *::|##\[' messages
		rm -f summary output
	done
}
