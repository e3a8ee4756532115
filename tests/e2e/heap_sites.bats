# SPDX-License-Identifier: MIT
# The code that holds the heap, of a program where it is known.
load helpers

setup() {
	setup_workdir
	require_bpf
}

# of PART FUNCTION: the row of --view sites, as "bytes low high samples".
of() {
	"$STARTLINE" report --view sites --format json |
		jq -r --arg part "$1" --arg f "$2" '.rows[] | select(.part == $part and .function == $f) |
			"\(.self_bytes) \(.self_low_bytes) \(.self_high_bytes) \(.self_samples)"'
}

# near VALUE TRUTH PERCENT
near() {
	awk -v v="$1" -v t="$2" -v p="$3" 'BEGIN { exit !(v > t * (1 - p / 100) && v < t * (1 + p / 100)) }'
}

@test "functions hold what they allocated, and all add up to what was counted" {
	# One in 4,096 bytes: some 760 samples of load_catalog. 10 % are more than three of its errors.
	"$STARTLINE" run --heap sample=4096 -o out -- "$WORKLOADS/heap_sites"
	read -r bytes low high samples <<<"$(of exit load_catalog)"
	echo "load_catalog: $bytes ($low to $high), $samples samples"
	[ "$samples" -gt 300 ]
	near "$bytes" $((757 * 4104)) 10
	[ "$low" -lt "$bytes" ] && [ "$high" -gt "$bytes" ]
	read -r bytes low high samples <<<"$(of temporary loop)"
	echo "loop: $bytes ($low to $high), $samples samples"
	near "$bytes" $((5003 * 504)) 20
	"$STARTLINE" report --format json >session.json
	jq -e '[.runs[].processes[].heap | select(. != null) | .exit_bytes == ([.sites[].exit.bytes] | add)
		and .peak_bytes == ([.sites[].peak.bytes] | add)] | all and length > 0' session.json
	"$STARTLINE" report session.json --view sites >again
	"$STARTLINE" report --view sites >first
	diff first again
	"$STARTLINE" report --view site-calls | grep -qE '^  load_catalog '
	grep -qF 'by load_catalog (' out
}

@test "a heap that grew is told by the function that holds more" {
	"$STARTLINE" run -n 10 --heap sample=4096 -o base.json --format json -- "$WORKLOADS/heap_sites" 757
	"$STARTLINE" run -n 10 --heap sample=4096 -o head.json --format json -- "$WORKLOADS/heap_sites" 1511
	"$STARTLINE" compare base.json head.json >out
	grep -qE '^3\.[01].* MB .* heap.exit +load_catalog' out
	! grep -q 'no call sites recorded' out
	"$STARTLINE" compare base.json head.json --format json |
		jq -e '[.sites.rows[] | select(.metric == "heap.exit") | .delta] | add == 754 * 4104'
}

@test "without sampling it is said what to type" {
	"$STARTLINE" run -o out -- "$WORKLOADS/heap_sites"
	"$STARTLINE" report --view sites | grep -q 'no call sites recorded: use --heap sample'
}
