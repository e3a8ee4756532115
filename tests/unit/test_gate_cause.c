/* SPDX-License-Identifier: MIT */
/* What changed is said with the object behind it. */

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_session.h"
#include "userspace/base/cleanup.h"
#include "userspace/gate/cause.h"
#include "userspace/gate/steps.h"

#define RUNS 3
#define MB   1000000LL

static struct session *base, *head;
static struct comparison *comparison;

static int setup(void **state)
{
	(void)state;
	base = sample_server(RUNS);
	head = sample_server(RUNS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	comparison = comparison_free(comparison);
	base = session_free(base);
	head = session_free(head);
	return 0;
}

static void compare(void)
{
	assert_int_equal(comparison_build(base, head, 0.99, &comparison), 0);
}

static void assert_cause(const char *id, const char *text)
{
	_cleanup_(buf_done) struct buf out = { .limit = 4096 };
	cause_of_change(comparison, id, VERDICT_CHANGED, &out);
	assert_string_equal(buf_str(&out), text);
}

/* Sets @member of process 2 of all runs of head. */
#define MORE(member, more)                                         \
	do {                                                       \
		for (size_t i = 0; i < RUNS; i++)                  \
			head->runs[i].processes[1].member += more; \
	} while (0)

static void counts_name_files_programs_and_peers(void **state)
{
	(void)state;
	const struct file file = { .path = "/etc/app.conf", .process = 2, .misses = 2 };
	const struct connection peer = { .process = 2,
					 .peer = "tcp 127.0.0.1:6379",
					 .result = "ok" };
	const struct connection lookup = { .process = 2,
					   .peer = "udp 127.0.0.1:53",
					   .result = "ok" };
	for (size_t i = 0; i < RUNS; i++) {
		struct run *run = &head->runs[i];
		const struct file files[] = { run->files[0], run->files[1], file };
		const struct connection connections[] = { run->connections[0], peer, peer, lookup };
		const struct process *p = &run->processes[0];
		struct image images[] = { p->images[0], p->images[0], p->images[0] };
		const char *argv[] = { "/usr/bin/git", "describe" };
		SAMPLE(head, images[1].argv.items, images[1].argv.n, argv);
		/* What failed was not executed. */
		images[2].argv.items = images[1].argv.items;
		images[2].result = "ENOENT";
		SAMPLE(head, run->files, run->n_files, files);
		SAMPLE(head, run->connections, run->n_connections, connections);
		SAMPLE(head, run->processes[0].images, run->processes[0].n_images, images);
	}
	compare();
	assert_cause("files.misses", "missed /etc/app.conf +2");
	assert_cause("proc.execs", "executed git describe +1");
	assert_cause("net.connects", "connected to tcp 127.0.0.1:6379 +2");
}

static void without_objects_it_is_said_that_none_is_known(void **state)
{
	(void)state;
	compare();
	assert_cause("files.misses", "which objects is not known");
	assert_cause("mem.peak_rss", "which process is not known");
	/* These say it themselves. */
	assert_cause("net.connect[tcp 127.0.0.1:5432]", "");
	assert_cause("sys.calls[openat]", "");
	assert_cause("my.own.metric", "");
}

static void know_kinds(struct session *s, bool is_known)
{
	for (size_t i = 0; i < RUNS; i++)
		s->runs[i].processes[1].peak_kinds.is_known = is_known;
}

static void memory_names_process_phase_and_kind(void **state)
{
	(void)state;
	know_kinds(base, true);
	know_kinds(head, true);
	MORE(peak_rss_bytes, 30 * MB);
	MORE(ready_rss_bytes, 29 * MB);
	MORE(heap.peak_bytes, 30 * MB);
	MORE(heap.allocs, 23);
	MORE(peak_kinds.anonymous_bytes, 30 * MB);
	compare();
	assert_cause("mem.peak_rss", "+30.0 MB server --port=7777, before it was ready; "
				     "anonymous memory +30.0 MB (heap +30.0 MB)");
	assert_cause("heap.allocs", "+23 server --port=7777; " COMPARE_NO_CALL_SITES);
}

static void what_is_not_known_of_memory_is_said(void **state)
{
	(void)state;
	MORE(peak_rss_bytes, 30 * MB);
	MORE(heap.peak_bytes, 1 * MB);
	know_kinds(base, true);
	know_kinds(head, true);
	MORE(peak_kinds.file_bytes, 20 * MB);
	MORE(peak_kinds.anonymous_bytes, 9 * MB);
	MORE(peak_kinds.shared_bytes, 1 * MB);
	for (size_t i = 0; i < RUNS; i++)
		head->runs[i].has_ready = false;
	compare();
	assert_cause("mem.peak_rss",
		     "+30.0 MB server --port=7777; when is not known (no --ready); "
		     "anonymous memory +9.0 MB (heap +1.0 MB, the rest not through "
		     "malloc: stacks or mappings of its own), mapped files +20.0 MB");
	comparison = comparison_free(comparison);
	for (size_t i = 0; i < RUNS; i++)
		head->runs[i].processes[1].heap.is_known = false;
	know_kinds(head, false);
	compare();
	assert_cause("mem.peak_rss", "+30.0 MB server --port=7777; when is not known (no --ready); "
				     "of which kind is not known (its heap was not counted)");
}

static void a_time_names_the_row_that_went_its_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < RUNS; i++) {
		struct run *run = &head->runs[i];
		sample_segment(head, run, 117 * MS, PHASE_MAIN, CAUSE_CONNECT, "tcp 127.0.0.1:6379")
			->process = 2;
		struct segment *link = sample_segment(head, run, 19 * MS, PHASE_LINK, CAUSE_CPU,
						      "/opt/libnew.so.1");
		link->process = 2;
		sample_value(run, "startup.ready", (double)run->startup_total_ns);
		struct library libraries[] = { run->libraries[0], run->libraries[1] };
		libraries[1].path = "/opt/libnew.so.1";
		libraries[1].init_ns = 4 * MS;
		SAMPLE(head, run->libraries, run->n_libraries, libraries);
	}
	head->n_series = 0;
	assert_int_equal(metrics_collect(head), 0);
	compare();
	assert_cause("startup.ready", "+117 ms connect in main: tcp 127.0.0.1:6379");
	assert_cause("startup.link",
		     "+19.0 ms cpu in link: libnew.so (not loaded before; relocations 13.0 ms, "
		     "constructors 4.00 ms)");
	/* The rows end where it was ready: of the rest they know nothing. */
	assert_cause("time.wall", "");
}

static void of_a_pipeline_the_step_is_named(void **state)
{
	struct step steps[] = { { .name = "build" }, { .name = "start" }, { .name = "test" } };
	struct scenario scenario = { .steps = steps, .n_steps = 2 };
	struct session *before[] = { base, base }, *after[] = { base, head, head };
	struct session *sums[2] = { NULL, NULL };
	(void)state;
	for (size_t i = 0; i < RUNS; i++)
		sample_segment(head, &head->runs[i], 117 * MS, PHASE_MAIN, CAUSE_CONNECT,
			       "tcp 127.0.0.1:6379")
			->process = 2;
	assert_int_equal(steps_sum(&scenario, before, &sums[0]), 0);
	assert_int_equal(steps_sum(&scenario, after, &sums[1]), 0);
	assert_int_equal(comparison_build(sums[0], sums[1], 0.99, &comparison), 0);
	assert_true(comparison->has_contributions);
	assert_int_equal(comparison->head_total_ns - comparison->base_total_ns, 117 * MS);
	int64_t sum = 0;
	for (size_t i = 0; i < comparison->n_contributions; i++)
		sum += comparison->contributions[i].delta_ns;
	assert_int_equal(sum, 117 * MS);
	assert_cause("time.wall",
		     "step start +117 ms: +117 ms connect in main: tcp 127.0.0.1:6379");
	comparison = comparison_free(comparison);
	/* One more step is all that it took. */
	scenario.n_steps = 3;
	sums[1] = session_free(sums[1]);
	assert_int_equal(steps_sum(&scenario, after, &sums[1]), 0);
	assert_int_equal(comparison_build(sums[0], sums[1], 0.99, &comparison), 0);
	assert_non_null(strstr(comparison->what_rows_are, "build 0 ns, start +117 ms, test +"));
	assert_false(comparison->contributions[0].step->comparison != NULL);
	assert_false(comparison->contributions[0].is_in_base);
	comparison = comparison_free(comparison);
	(void)session_free(sums[0]);
	(void)session_free(sums[1]);
}

/* Noise may turn the medians; rows have decided. */
static void a_regression_names_what_grew_whatever_the_medians_say(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf out = { .limit = 4096 };
	for (size_t i = 0; i < RUNS; i++) {
		sample_segment(head, &head->runs[i], 20 * MS, PHASE_MAIN, CAUSE_SLEEP, "")
			->process = 2;
		sample_segment(base, &base->runs[i], 50 * MS, PHASE_MAIN, CAUSE_CONNECT,
			       "tcp 127.0.0.1:6379")
			->process = 2;
		sample_value(&head->runs[i], "startup.ready", 400.0 * MS);
	}
	base->n_series = head->n_series = 0;
	assert_int_equal(metrics_collect(base), 0);
	assert_int_equal(metrics_collect(head), 0);
	compare();
	cause_of_change(comparison, "startup.ready", VERDICT_REGRESSED, &out);
	assert_non_null(strstr(buf_str(&out), "+20.0 ms sleep in main"));
	buf_clear(&out);
	cause_of_change(comparison, "startup.ready", VERDICT_IMPROVED, &out);
	assert_string_equal(buf_str(&out), "-50.0 ms connect in main: tcp 127.0.0.1:6379");
}

static void a_value_names_what_most_of_it_is_of(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf out = { .limit = 4096 };
	base = session_free(base);
	assert_int_equal(session_new(&base), 0);
	compare();
	cause_of_value(comparison, "files.misses", &out);
	assert_string_equal(buf_str(&out), "missed /missing 3");
	buf_clear(&out);
	cause_of_value(comparison, "mem.peak_rss", &out);
	assert_non_null(strstr(buf_str(&out), "25.5 MB busybox sleep 1, before it was ready"));
}

static void long_names_are_cut_in_the_middle(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf a = { .limit = 4096 }, b = { .limit = 4096 };
	char path[400];
	memset(path, 'x', sizeof(path));
	memcpy(path + sizeof(path) - 8, "/a.conf", 8);
	struct contribution row = { .detail = path, .process = "", .cause = CAUSE_FILE_READ };
	contribution_what(&row, &a);
	path[sizeof(path) - 7] = 'b';
	contribution_what(&row, &b);
	assert_true(a.len < 120);
	assert_string_not_equal(buf_str(&a), buf_str(&b));
	assert_non_null(strstr(buf_str(&b), "/b.conf"));
}

static struct contribution row_of(const char *what, double ms, double low, double high)
{
	return (struct contribution){
		.phase = PHASE_MAIN,
		.cause = CAUSE_CPU,
		.process = "",
		.detail = what,
		.delta_ns = (int64_t)(ms * 1e6),
		.low_ns = low * 1e6,
		.high_ns = high * 1e6,
	};
}

/* A tenth of a millisecond is no answer where thirty may be one. */
static void a_small_row_is_no_cause_however_sure(void **state)
{
	(void)state;
	compare();
	struct contribution rows[] = {
		row_of("getdents64", 0.12, 0.1, 0.2),
		row_of("load_rules", 30.9, -9.4, 48.7),
	};
	comparison->has_contributions = true;
	comparison->contributions = rows;
	comparison->n_contributions = 2;
	/* Which way the whole goes. */
	for (size_t i = 0; i < comparison->n_changes; i++) {
		struct change *c = &comparison->changes[i];
		if (strcmp(c->id, "startup.ready") == 0)
			c->head_value = c->head_estimate = c->base_value + 30000000;
	}
	assert_cause("startup.ready", "probably +30.9 ms cpu in main: load_rules");
	rows[1].low_ns = 20e6;
	assert_cause("startup.ready", "+30.9 ms cpu in main: load_rules");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(counts_name_files_programs_and_peers),
		TEST(a_small_row_is_no_cause_however_sure),
		TEST(without_objects_it_is_said_that_none_is_known),
		TEST(memory_names_process_phase_and_kind),
		TEST(what_is_not_known_of_memory_is_said),
		TEST(a_time_names_the_row_that_went_its_way),
		TEST(of_a_pipeline_the_step_is_named),
		TEST(a_regression_names_what_grew_whatever_the_medians_say),
		TEST(a_value_names_what_most_of_it_is_of),
		TEST(long_names_are_cut_in_the_middle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
