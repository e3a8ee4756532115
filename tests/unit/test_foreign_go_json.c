/* SPDX-License-Identifier: MIT */
/* go test -json: Go 1.19 wrote the files. */

#include "tests/unit/foreign_files.h"

static void benchmarks_are_put_together_from_the_output(void **state)
{
	(void)state;
	struct session *s = must_read("go-bench.jsonl");
	check_values(s, "bench[example.com/m.Sort-2]", 34.9, 41.6);
	check_values(s, "bench.allocs[example.com/m.Sort-2]", 0, 0);
	check_values(s, "bench[example.com/m.Sleep-2]", 1490402, 1392941);
	check_values(s, "test[example.com/m.TestQuick/sub]", 0.03e9, 0.03e9);
	check_values(s, "test[example.com/m.TestSkip]", NAN, NAN);
	check_values(s, "suite.time", 0.293e9);
	check_values(s, "suite.skipped", 2);
	(void)session_free(s);
	s = must_read("go-test.jsonl");
	check_values(s, "test[example.com/m.TestQuick]", 0.03e9);
	/* 0 is below what it shows. */
	check_values(s, "test[example.com/m.TestBad]", NAN);
	check_values(s, "suite.failed", 1);
	(void)session_free(s);
}

static void packages_do_not_mix(void **state)
{
	(void)state;
	struct session *s = NULL;
	assert_int_equal(
		read_text(
			"{\"Action\":\"start\",\"Package\":\"a\"}\n"
			"{\"Action\":\"output\",\"Package\":\"a\",\"Output\":\"BenchmarkX \\t\"}\n"
			"{\"Action\":\"output\",\"Package\":\"b\",\"Output\":\"BenchmarkX \\t\"}\n"
			"go: downloading something\n"
			"{\"Action\":\"output\",\"Package\":\"a\",\"Output\":\"1 5 ns/op\\n\"}\n"
			"{\"Action\":\"output\",\"Package\":\"b\",\"Output\":\"1 7 ns/op\\n\"}\n"
			"{\"Action\":\"pass\",\"Package\":\"a\",\"Test\":\"T\",\"Elapsed\":2}\n"
			"{\"Action\":\"pass\",\"Package\":\"a\",\"Elapsed\":3}\n"
			"{\"Action\":\"pass\",\"Package\":\"b\",\"Elapsed\":4}\n",
			&s),
		0);
	check_values(s, "bench[a.X]", 5);
	check_values(s, "bench[b.X]", 7);
	check_values(s, "test[a.T]", 2e9);
	/* Nobody says whether one ran after the other. */
	check_values(s, "suite.time", NAN);
	(void)session_free(s);
}

static void damage_is_named_with_its_line(void **state)
{
	(void)state;
	check_refused("{\"Action\":\"start\",\"Package\":\"a\"}\n{\"Action\":\"pa",
		      "'x': line 2: not JSON");
	check_refused("{\"Action\":\"start\",\"Package\":\"a\"}\n",
		      "'x': there is no result in it");
	check_not_recognised("{\"Action\":\"start\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(benchmarks_are_put_together_from_the_output),
		cmocka_unit_test(packages_do_not_mix),
		cmocka_unit_test(damage_is_named_with_its_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
