# SPDX-License-Identifier: MIT
# The statistics of comparisons, against programs that have been trusted for long.

load ../e2e/helpers

@test "p-values and intervals are those of SciPy and R" {
	run "$BATS_TEST_DIRNAME/statistics_check" "$ROOT/build/tests/tools/shift"
	echo "$output"
	[ "$status" = 0 ]
}
