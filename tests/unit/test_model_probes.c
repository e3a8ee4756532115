/* SPDX-License-Identifier: MIT */
/* What a kernel refused is not known: null, never 0. */

#include <math.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

#define BPF "0 meta source.bpf=ok\n"
#define RUN                                                                 \
	"0 mark 9 spawn\n0 exec 9 /x argv=x\n"                              \
	"1ms open 9 /etc/x result=3 enter=900us\n"                          \
	"5ms offcpu 9 out=2ms wake=5ms syscall=nanosleep context=hardirq\n" \
	"9ms usage 9 exit user=2ms system=1ms run=3ms\n9ms exit 9 code=0\n"

static void lost_metrics_are_not_known(void **state)
{
	(void)state;
	struct session *s =
		build(BPF "0 meta probe=system calls\n"
			  "0 meta probe.error=tp_btf/sys_enter: no\n"
			  "0 meta probe.metrics=files.opens  cpu.user net.connect[]\n"
			  "0 meta probe.causes=sleep\n0 meta probe.lost=no files\n" RUN);
	assert_int_equal(s->n_probes, 1);
	assert_string_equal(s->probes[0].name, "system calls");
	assert_null(s->probes[0].mechanism);
	assert_string_equal(s->probes[0].error, "tp_btf/sys_enter: no");
	assert_int_equal(s->probes[0].metrics.n, 3);
	assert_string_equal(s->probes[0].metrics.items[1], "cpu.user");
	assert_int_equal(s->probes[0].causes.n, 1);
	assert_true(isnan(value_of(s, "files.opens")));
	assert_true(isnan(value_of(s, "cpu.user")));
	assert_true(s->runs[0].file_opens == UNKNOWN);
	assert_true(s->runs[0].processes[0].user_ns == UNKNOWN);
	assert_false(isnan(value_of(s, "cpu.system")));
	assert_true(s->runs[0].has_segments);
	(void)session_free(s);
}

static void without_switches_there_is_no_breakdown(void **state)
{
	(void)state;
	struct session *s = build(BPF "0 meta probe=switches\n0 meta probe.lost=no breakdown\n"
				      "0 meta probe=exec\n0 meta probe.used=raw_tp\n" RUN);
	assert_false(s->runs[0].has_segments);
	assert_true(isnan(value_of(s, "startup.main")));
	assert_string_equal(s->probes[1].mechanism, "raw_tp");
	(void)session_free(s);
}

static void words_without_a_probe_are_passed_over(void **state)
{
	(void)state;
	struct session *s = build(BPF "0 meta probe.metrics=files.opens\n0 meta probe.x=y\n" RUN);
	assert_int_equal(s->n_probes, 0);
	assert_false(isnan(value_of(s, "files.opens")));
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_metrics_are_not_known),
		cmocka_unit_test(without_switches_there_is_no_breakdown),
		cmocka_unit_test(words_without_a_probe_are_passed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
