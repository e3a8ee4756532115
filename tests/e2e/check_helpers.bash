# SPDX-License-Identifier: MIT
# For tests of `startline check`: `load helpers`, `load check_helpers`.

# check [OPTIONS...]: the verdict as a document in ./verdict.json, the status in $status.
check() {
	status=0
	"$STARTLINE" check --format json "$@" >verdict.json 2>messages || status=$?
}

v() {
	jq -r "$1" verdict.json
}

# levels: those of all judgements, by metric and target, one per line.
levels() {
	v '[.outcomes[].judgements[] | "\(.metric) \(.target): \(.level)"] | sort | .[]'
}

# says EXPECTED-LEVELS...: exactly these lines.
says() {
	printf '%s\n' "$@" | sort >expected
	levels | sort >found
	diff expected found || {
		cat messages
		return 1
	}
}
