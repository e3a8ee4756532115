/* SPDX-License-Identifier: MIT */
/* OPEN and OFFCPU become rows of files. */

#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"
#include "userspace/base/buf.h"

#define BPF "0 meta source.bpf=ok\n"
#define RUN "0 mark 9 spawn\n0 exec 9 /x argv=x\n"
#define END "90ms exit 9 code=0\n"

static const struct file *file_of(const struct session *s, const char *path)
{
	for (size_t i = 0; i < s->runs[0].n_files; i++)
		if (strcmp(s->runs[0].files[i].path, path) == 0)
			return &s->runs[0].files[i];
	return NULL;
}

static void opens_misses_and_waits_are_summed_by_path(void **state)
{
	(void)state;
	struct session *s = build(
		BPF RUN "2ms open 9 /etc/x result=3 enter=1ms\n"
			"5ms open 9 /etc/x result=4 enter=3ms\n"
			"6ms open 9 /etc/x result=-13 enter=5900us\n"
			"20ms offcpu 9 out=10ms wake=19ms syscall=read object=file text=/etc/x\n"
			"40ms offcpu 9 out=30ms wake=39ms object=fault_file text=/lib/y\n"
			"60ms offcpu 9 out=50ms wake=59ms syscall=read object=pipe\n" END);
	const struct file *x = file_of(s, "/etc/x"), *y = file_of(s, "/lib/y");
	assert_true(s->runs[0].has_files);
	assert_int_equal(s->runs[0].n_files, 2);
	assert_non_null(x);
	assert_int_equal(x->opens, 2);
	assert_int_equal(x->misses, 1);
	assert_int_equal(x->first_ns, 1 * MS);
	assert_int_equal(x->open_ns, 3 * MS + MS / 10);
	assert_int_equal(x->waits, 1);
	assert_int_equal(x->wait_ns, 9 * MS);
	assert_int_equal(x->process, 1);
	assert_non_null(y);
	assert_int_equal(y->opens, 0);
	assert_true(y->first_ns == UNKNOWN);
	assert_int_equal(y->wait_ns, 9 * MS);
	(void)session_free(s);
}

static void the_heaviest_are_kept_and_the_rest_is_counted(void **state)
{
	(void)state;
	struct buf story = { .limit = (size_t)16 << 20 };
	assert_int_equal(buf_adds(&story, BPF RUN), 0);
	for (int i = 0; i < 10013; i++)
		assert_int_equal(buf_addf(&story, "10ms open 9 /f%d result=3 enter=%dus\n", i,
					  i == 10007 ? 9000 : 9999),
				 0);
	assert_int_equal(buf_adds(&story, END), 0);
	struct session *s = build(buf_str(&story));
	assert_int_equal(s->runs[0].n_files, 10000);
	assert_int_equal(s->runs[0].files_cut, 13);
	assert_int_equal(s->runs[0].file_opens, 10013);
	assert_non_null(file_of(s, "/f10007"));
	(void)session_free(s);
	buf_done(&story);
}

static void without_kernel_events_there_are_no_files(void **state)
{
	(void)state;
	struct session *s = build("0 meta source.bpf=not root\n" RUN END);
	assert_false(s->runs[0].has_files);
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_misses_and_waits_are_summed_by_path),
		cmocka_unit_test(the_heaviest_are_kept_and_the_rest_is_counted),
		cmocka_unit_test(without_kernel_events_there_are_no_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
