/* SPDX-License-Identifier: MIT */
/* Two sessions side by side: names that differ from run to run are one row, the rows add up, and
 * different machines are named. */

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_session.h"
#include "userspace/base/random.h"
#include "userspace/model/compare/compare.h"
#include "userspace/model/hosts.h"

#define RUNS 3

/* Command lines of the processes of one run, one word each as process 2, 3 … */
struct side {
	const char *children[RUNS][4];
	const char *details[RUNS][4]; /* page faults of process 1 */
};

static struct process process_of(struct session *s, int id, const char *line)
{
	struct process p = sample_process(s, id, line, "x");
	const char *argv[] = { line };
	SAMPLE(s, p.argv.items, p.argv.n, argv);
	p.exe = line;
	return p;
}

static struct session *session_of(const struct side *side)
{
	struct session *s = sample_new(RUNS);
	for (size_t i = 0; i < RUNS; i++) {
		struct run *run = &s->runs[i];
		struct process processes[5] = { process_of(s, 1, "/usr/bin/server") };
		run->n_processes = 1;
		sample_segment(s, run, 1001 + (int64_t)i, PHASE_MAIN, CAUSE_CPU, "");
		for (size_t k = 0; k < 4 && side->children[i][k] != NULL; k++) {
			processes[run->n_processes++] =
				process_of(s, (int)k + 2, side->children[i][k]);
			sample_segment(s, run, 307 * MS + (int64_t)(i * k), PHASE_CHILD,
				       CAUSE_SLEEP, "")
				->process = (int)k + 2;
		}
		for (size_t k = 0; k < 4 && side->details[i][k] != NULL; k++)
			sample_segment(s, run, 23 * MS + (int64_t)i, PHASE_MAIN, CAUSE_PAGE_FAULT,
				       side->details[i][k]);
		run->processes = sample_copy(s, processes, run->n_processes * sizeof(*processes));
		sample_value(run, "time.wall", (double)run->startup_total_ns);
	}
	assert_int_equal(metrics_collect(s), 0);
	return s;
}

static struct comparison *compare(struct session *base, struct session *head)
{
	struct comparison *c = NULL;
	assert_int_equal(comparison_build(base, head, 0.99, &c), 0);
	return c;
}

static void done(struct comparison *c)
{
	struct session *base = c->base, *head = c->head;
	(void)comparison_free(c);
	(void)session_free(base);
	(void)session_free(head);
}

static struct comparison *compare_sides(const struct side *base, const struct side *head)
{
	return compare(session_of(base), session_of(head));
}

/* Rows whose process or detail is @name. */
static size_t rows_named(const struct comparison *c, const char *name)
{
	size_t n = 0;
	for (size_t i = 0; i < c->n_contributions; i++)
		n += strcmp(c->contributions[i].process, name) == 0 ||
		     strcmp(c->contributions[i].detail, name) == 0;
	return n;
}

static void rows_add_up(const struct comparison *c)
{
	int64_t base = 0, head = 0, delta = 0;
	assert_true(c->has_contributions);
	for (size_t i = 0; i < c->n_contributions; i++) {
		base += c->contributions[i].base_ns;
		head += c->contributions[i].head_ns;
		delta += c->contributions[i].delta_ns;
	}
	assert_int_equal(base, c->base_total_ns);
	assert_int_equal(head, c->head_total_ns);
	assert_int_equal(delta, head - base);
}

/* --- names ------------------------------------------------------------------------------------ */

static void names_that_differ_from_run_to_run_are_one_row(void **state)
{
	static const struct side base = {
		.children = { { "cat /tmp/tmp.Kq3mNzPxwR" },
			      { "cat /tmp/tmp.aB3dE5fG7h" },
			      { "cat /tmp/tmp.Zz9yY8xX7w" } },
		.details = { { "/proc/11/maps" }, { "/proc/12/maps" }, { "/proc/13/maps" } },
	};
	static const struct side head = {
		.children = { { "cat /tmp/tmp.111aaaBBB2" },
			      { "cat /tmp/tmp.222bbbCCC3" },
			      { "cat /tmp/tmp.333cccDDD4" } },
		.details = { { "/proc/21/maps" }, { "/proc/22/maps" }, { "/proc/23/maps" } },
	};
	(void)state;
	struct comparison *c = compare_sides(&base, &head);
	assert_int_equal(c->n_contributions, 3);
	assert_int_equal(rows_named(c, "cat /tmp/tmp.*"), 1);
	assert_int_equal(rows_named(c, "/proc/*/maps"), 1);
	rows_add_up(c);
	done(c);
}

static struct session *session_waiting(enum cause cause, const char *detail)
{
	struct session *s = sample_new(1);
	sample_segment(s, &s->runs[0], 100 * MS, PHASE_MAIN, cause, detail);
	assert_int_equal(metrics_collect(s), 0);
	return s;
}

static void how_often_a_peer_was_tried_is_no_part_of_its_name(void **state)
{
	(void)state;
	static const struct {
		enum cause cause;
		const char *base, *head, *name;
	} rows[] = {
		{ CAUSE_CONNECT, "tcp db:1, refused 15 times, polled every 100 ms",
		  "tcp db:1, refused once, polled every 99 ms", "tcp db:1" },
		{ CAUSE_CONNECT, "unix /a,b, failed (ENOENT) 2 times, polled every 1 s",
		  "unix /a,b", "unix /a,b" },
		{ CAUSE_SLEEP, "polled every 50 ms", "polled every 20 ms", "polled" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct comparison *c = compare(session_waiting(rows[i].cause, rows[i].base),
					       session_waiting(rows[i].cause, rows[i].head));
		assert_int_equal(c->n_contributions, 1);
		assert_string_equal(c->contributions[0].detail, rows[i].name);
		rows_add_up(c);
		done(c);
	}
}

static void names_that_all_runs_share_stay_whole(void **state)
{
	/* A fixed port in the ephemeral range, and a second one that only head has. */
	static const struct side base = {
		.details = { { "tcp db:50051" }, { "tcp db:50051" }, { "tcp db:50051" } },
	};
	static const struct side head = {
		.details = { { "tcp db:50051", "tcp db:50052" },
			     { "tcp db:50051", "tcp db:50052" },
			     { "tcp db:50051", "tcp db:50052" } },
	};
	(void)state;
	struct comparison *c = compare_sides(&base, &head);
	assert_int_equal(rows_named(c, "tcp db:50051"), 1);
	assert_int_equal(rows_named(c, "tcp db:50052"), 1);
	assert_string_equal(c->contributions[0].detail, "tcp db:50052");
	assert_false(c->contributions[0].is_in_base);
	rows_add_up(c);
	done(c);
}

static void checkouts_in_two_places_are_one(void **state)
{
	static const struct side base = {
		.children = { { "/w/base/bin/worker --conf=/w/base/etc/x.conf" },
			      { "/w/base/bin/worker --conf=/w/base/etc/x.conf" },
			      { "/w/base/bin/worker --conf=/w/base/etc/x.conf" } },
		.details = { { "/w/base/lib/a.so", "/usr/lib/libc.so.6" },
			     { "/w/base/lib/a.so", "/usr/lib/libc.so.6" },
			     { "/w/base/lib/a.so", "/usr/lib/libc.so.6" } },
	};
	static const struct side head = {
		.children = { { "/builds/17/head/bin/worker --conf=/builds/17/head/etc/x.conf" },
			      { "/builds/17/head/bin/worker --conf=/builds/17/head/etc/x.conf" },
			      { "/builds/17/head/bin/worker --conf=/builds/17/head/etc/x.conf" } },
		.details = { { "/builds/17/head/lib/a.so", "/usr/lib/libc.so.6" },
			     { "/builds/17/head/lib/a.so", "/usr/lib/libc.so.6" },
			     { "/builds/17/head/lib/a.so", "/usr/lib/libc.so.6" } },
	};
	(void)state;
	struct comparison *c = compare_sides(&base, &head);
	assert_int_equal(c->n_contributions, 4);
	assert_int_equal(rows_named(c, "*/bin/worker --conf=*/etc/x.conf"), 1);
	assert_int_equal(rows_named(c, "*/lib/a.so"), 1);
	assert_int_equal(rows_named(c, "/usr/lib/libc.so.6"), 1);
	rows_add_up(c);
	done(c);
}

static void what_both_sides_use_is_no_checkout(void **state)
{
	static const struct side base = {
		.details = { { "/usr/lib/a/x.so", "/usr/lib/libc.so.6" },
			     { "/usr/lib/a/x.so", "/usr/lib/libc.so.6" },
			     { "/usr/lib/a/x.so", "/usr/lib/libc.so.6" } },
	};
	static const struct side head = {
		.details = { { "/opt/lib/a/x.so", "/usr/lib/libc.so.6" },
			     { "/opt/lib/a/x.so", "/usr/lib/libc.so.6" },
			     { "/opt/lib/a/x.so", "/usr/lib/libc.so.6" } },
	};
	(void)state;
	struct comparison *c = compare_sides(&base, &head);
	assert_int_equal(rows_named(c, "/usr/lib/a/x.so"), 1);
	assert_int_equal(rows_named(c, "/opt/lib/a/x.so"), 1);
	rows_add_up(c);
	done(c);
}

static void processes_left_over_are_paired_by_program(void **state)
{
	static const struct side base = {
		.children = { { "sleep 1", "ls" }, { "sleep 1", "ls" }, { "sleep 1", "ls" } },
	};
	static const struct side head = {
		.children = { { "sleep 2", "cp" }, { "sleep 2", "cp" }, { "sleep 2", "cp" } },
	};
	(void)state;
	/* argv[0] is the program: here the whole line is. */
	struct session *s[2] = { session_of(&base), session_of(&head) };
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < RUNS; i++) {
			struct process *p = &s[side]->runs[i].processes[1];
			const char *argv[] = { "/bin/sleep", side == 0 ? "1" : "2" };
			SAMPLE(s[side], p->argv.items, p->argv.n, argv);
		}
	struct comparison *c = compare(s[0], s[1]);
	assert_int_equal(rows_named(c, "/bin/sleep 1 -> /bin/sleep 2"), 1);
	assert_int_equal(rows_named(c, "ls"), 1);
	assert_int_equal(rows_named(c, "cp"), 1);
	rows_add_up(c);
	done(c);
}

/* A segment's detail holds the beginning of its child's command line. */
static void a_line_that_was_cut_is_its_process(void **state)
{
	char line[400], cut[201];
	for (size_t i = 0; i < sizeof(line) - 1; i++)
		line[i] = "abc-def/ghi "[i % 12];
	line[sizeof(line) - 1] = '\0';
	(void)snprintf(cut, sizeof(cut), "%.200s", line);
	const struct side side = {
		.children = { { line }, { line }, { line } },
		.details = { { cut }, { cut }, { cut } },
	};
	(void)state;
	struct session *s[2] = { session_of(&side), session_of(&side) };
	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < RUNS; i++)
			s[k]->runs[i].segments[2].cause = CAUSE_CHILD;
	struct comparison *c = compare(s[0], s[1]);
	assert_int_equal(rows_named(c, line), 2);
	assert_int_equal(rows_named(c, cut), 0);
	rows_add_up(c);
	done(c);
}

/* Waiting for a CPU moves by more, but back and forth. */
static void what_is_proven_comes_first(void **state)
{
	static const struct side side = { 0 };
	static const int64_t chance_ns[2][RUNS] = { { 0, 3 * MS, 90 * MS },
						    { 2 * MS, 70 * MS, 80 * MS } };
	(void)state;
	struct session *s[2] = { session_of(&side), session_of(&side) };
	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < RUNS; i++) {
			sample_segment(s[k], &s[k]->runs[i], 1 + chance_ns[k][i], PHASE_MAIN,
				       CAUSE_RUNQUEUE, "");
			sample_segment(s[k], &s[k]->runs[i], (3 + 10 * k) * MS + (int64_t)i,
				       PHASE_MAIN, CAUSE_SLEEP, "");
		}
	struct comparison *c = compare(s[0], s[1]);
	assert_int_equal(c->contributions[0].cause, CAUSE_SLEEP);
	assert_true(c->contributions[0].low_ns > 9 * MS);
	assert_int_equal(c->contributions[1].cause, CAUSE_RUNQUEUE);
	assert_true(c->contributions[1].delta_ns > c->contributions[0].delta_ns);
	rows_add_up(c);
	done(c);
}

static void hides_no_work(enum cause wait)
{
	static const struct side side = { 0 };
	struct session *s[2] = { session_of(&side), session_of(&side) };
	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < RUNS; i++) {
			sample_segment(s[k], &s[k]->runs[i], (50 + 100 * k) * MS + (int64_t)i,
				       PHASE_MAIN, wait, "");
			sample_segment(s[k], &s[k]->runs[i], (3 + 20 * k) * MS + (int64_t)i,
				       PHASE_MAIN, CAUSE_CPU, "");
		}
	struct comparison *c = compare(s[0], s[1]);
	assert_int_equal(comparison_cause(c)->cause, CAUSE_CPU);
	assert_int_equal(c->contributions[0].cause, CAUSE_CPU);
	assert_true(c->contributions[1].low_ns > 90 * MS);
	rows_add_up(c);
	done(c);
}

/* Of more work, and of others who want the processor, or have a share of the quota, too. */
static void waiting_for_a_cpu_hides_no_work(void **state)
{
	(void)state;
	hides_no_work(CAUSE_RUNQUEUE);
	hides_no_work(CAUSE_THROTTLED);
}

/* 100 ms of work, half as much again where others use the core, too, and a sleep. */
static struct session *on_shared_cores(int64_t work_ns)
{
	enum { TURNS = 10 };
	struct session *s = sample_new(TURNS);
	struct random random;
	random_seed(&random, 23);
	for (size_t i = 0; i < TURNS; i++) {
		struct run *run = &s->runs[i];
		const bool is_slow = random_below(&random, 2) == 0;
		const struct process processes[] = { process_of(s, 1, "/usr/bin/server") };
		sample_segment(s, run, is_slow ? work_ns / 2 * 3 : work_ns, PHASE_MAIN, CAUSE_CPU,
			       "");
		sample_segment(s, run, 50 * MS + (int64_t)i, PHASE_MAIN, CAUSE_SLEEP, "");
		SAMPLE(s, run->processes, run->n_processes, processes);
		run->cpu_speed = is_slow ? 600000 : 900000;
		sample_value(run, "startup.undisturbed", (double)run->startup_total_ns);
		sample_value(run, METRIC_SPEED, (double)run->cpu_speed);
	}
	assert_int_equal(metrics_collect(s), 0);
	metrics_mark_interleaved(s);
	return s;
}

static void interleaved_runs_are_compared_at_equal_speed(void **state)
{
	(void)state;
	struct comparison *c = compare(on_shared_cores(100 * MS), on_shared_cores(110 * MS));
	const struct change *whole = comparison_find(c, "startup.undisturbed");
	/* The sleep feels nothing of it. */
	assert_true(whole->speed_slope > 0.6 && whole->speed_slope < 0.8);
	assert_true(whole->ratio > 1.05 && whole->ratio < 1.08 && whole->low > 1.04);
	assert_int_equal(c->contributions[0].cause, CAUSE_CPU);
	assert_true(c->contributions[0].low_ns > 7 * MS && c->contributions[0].high_ns < 14 * MS);
	assert_true(llabs(c->contributions[1].delta_ns) < MS);
	assert_non_null(strstr(c->what_rows_are, "at equal speed of the CPUs"));
	rows_add_up(c);
	done(c);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void memory_is_told_by_process(void **state)
{
	static const struct side side = {
		.children = { { "worker" }, { "worker" }, { "worker" } },
	};
	(void)state;
	struct session *s[2] = { session_of(&side), session_of(&side) };
	for (size_t i = 0; i < RUNS; i++) {
		s[1]->runs[i].processes[1].heap.allocs += 41;
		s[1]->runs[i].processes[0].heap.bytes -= 23;
		s[1]->runs[i].processes[0].heap.is_known = true;
	}
	struct comparison *c = compare(s[0], s[1]);
	const struct memory_row *first = &c->memory[0];
	assert_string_equal(first->metric, "heap.allocs");
	assert_string_equal(first->process, "worker");
	assert_int_equal(first->delta, 41);
	for (size_t i = 0; i < c->n_memory; i++) {
		const struct memory_row *row = &c->memory[i];
		if (strcmp(row->metric, "heap.bytes") == 0 && strcmp(row->process, "worker") != 0)
			assert_int_equal(row->delta, -23);
	}
	done(c);
}

static void memory_that_was_not_counted_is_unknown(void **state)
{
	static const struct side base = { .children = { { "a" }, { "a" }, { "a" } } };
	static const struct side head = { .children = { { NULL }, { NULL }, { NULL } } };
	(void)state;
	struct session *s[2] = { session_of(&base), session_of(&head) };
	for (size_t i = 0; i < RUNS; i++)
		s[1]->runs[i].processes[0].heap.is_known = false;
	struct comparison *c = compare(s[0], s[1]);
	size_t n = 0;
	for (size_t i = 0; i < c->n_memory; i++) {
		const struct memory_row *row = &c->memory[i];
		if (strncmp(row->metric, "heap.", 5) != 0)
			continue;
		n++;
		if (strcmp(row->process, "a") == 0) /* it is gone: it takes nothing */
			assert_int_equal(row->head, 0);
		else
			assert_true(row->head == UNKNOWN && row->delta == UNKNOWN);
	}
	assert_true(n > 0);
	done(c);
}

/* --- machines --------------------------------------------------------------------------------- */

static struct comparison *compare_hosts_of(struct host base, struct host head)
{
	static const struct side empty = { 0 };
	struct session *s[2] = { session_of(&empty), session_of(&empty) };
	s[0]->host = base;
	s[1]->host = head;
	return compare(s[0], s[1]);
}

static struct host full_host(void)
{
	struct host h = HOST_UNKNOWN;
	for (const struct host_fact *fact = host_facts; fact->key != NULL; fact++) {
		const char *value = fact->type == HOST_TEXT ? "a" : "8589934592";
		host_read(&h, fact->key, strlen(fact->key), value);
	}
	return h;
}

static void each_fact_that_must_be_equal_is_named(void **state)
{
	(void)state;
	for (const struct host_fact *fact = host_facts; fact->key != NULL; fact++) {
		struct host head = full_host();
		host_read(&head, fact->key, strlen(fact->key),
			  fact->type == HOST_TEXT ? "b" : "17179869184");
		struct comparison *c = compare_hosts_of(full_host(), head);
		if (fact->must_be_equal) {
			assert_non_null(c->incomparable);
			assert_memory_equal(c->incomparable, fact->key, strlen(fact->key));
			assert_non_null(strstr(c->incomparable, " against "));
			assert_string_not_equal(host_fingerprint(c->arena, &head),
						host_fingerprint(c->arena, &c->base->host));
		} else {
			assert_null(c->incomparable);
			assert_int_equal(c->n_host_notes, 1);
			assert_non_null(strstr(c->host_notes[0], fact->key));
			assert_string_equal(host_fingerprint(c->arena, &head),
					    host_fingerprint(c->arena, &c->base->host));
		}
		done(c);
	}
}

static void a_missing_fact_is_no_difference(void **state)
{
	(void)state;
	for (const struct host_fact *fact = host_facts; fact->key != NULL; fact++) {
		struct host head = full_host();
		if (fact->type == HOST_TEXT)
			*(const char **)((char *)&head + fact->offset) = NULL;
		else
			*(int64_t *)((char *)&head + fact->offset) = UNKNOWN;
		struct comparison *c = compare_hosts_of(full_host(), head);
		assert_null(c->incomparable);
		assert_int_equal(c->n_host_notes, fact->must_be_equal ? 1 : 0);
		if (fact->must_be_equal)
			assert_non_null(strstr(c->host_notes[0], fact->key));
		done(c);
	}
	struct comparison *c = compare_hosts_of(full_host(), HOST_UNKNOWN);
	assert_null(c->incomparable);
	assert_string_equal(c->host_notes[0],
			    "machines not compared: nothing is known about the one of head");
	done(c);
}

static void memory_is_compared_in_whole_gigabytes(void **state)
{
	struct host base = full_host(), head = full_host();
	(void)state;
	head.memory_bytes -= 200 << 20;
	struct comparison *c = compare_hosts_of(base, head);
	assert_null(c->incomparable);
	done(c);
	head.memory_bytes -= 1 << 30;
	c = compare_hosts_of(base, head);
	assert_string_equal(c->incomparable, "memory_bytes: 8 GiB against 7 GiB");
	done(c);
}

static void facts_of_another_version_show_in_the_digest(void **state)
{
	struct host base = full_host(), head = full_host();
	(void)state;
	base.fingerprint = "sha256:1";
	head.fingerprint = "sha256:2";
	struct comparison *c = compare_hosts_of(base, head);
	assert_string_equal(c->incomparable, "fingerprint: sha256:1 against sha256:2");
	done(c);
	/* It is explained by what one of them does not know. */
	head.microcode = NULL;
	c = compare_hosts_of(base, head);
	assert_null(c->incomparable);
	done(c);
}

/* --- blocks ----------------------------------------------------------------------------------- */

static size_t blocks_of(size_t n_base, bool is_base_in_turns, size_t n_head)
{
	enum { MOST = 64 };
	static const struct metric wall = { .id = "time.wall", .class = CLASS_TIME };
	double base[MOST], head[MOST];
	struct series a = { .id = "time.wall",
			    .metric = &wall,
			    .values = base,
			    .n_values = n_base,
			    .is_interleaved = is_base_in_turns };
	struct series b = { .id = "time.wall",
			    .metric = &wall,
			    .values = head,
			    .n_values = n_head,
			    .is_interleaved = true };
	struct change c;
	for (size_t i = 0; i < MOST; i++)
		base[i] = head[i] = 23 + (double)i;
	summary_of(base, n_base, &a.summary);
	summary_of(head, n_head, &b.summary);
	assert_int_equal(change_of(&a, &b, 0.99, &c), 0);
	return c.n_blocks;
}

static void runs_that_took_turns_are_compared_in_blocks(void **state)
{
	(void)state;
	assert_int_equal(blocks_of(5, true, 5), 1);
	assert_int_equal(blocks_of(19, true, 19), 1);
	assert_int_equal(blocks_of(20, true, 20), 2);
	assert_int_equal(blocks_of(64, true, 49), 4);
	assert_int_equal(blocks_of(64, false, 64), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_differ_from_run_to_run_are_one_row),
		cmocka_unit_test(how_often_a_peer_was_tried_is_no_part_of_its_name),
		cmocka_unit_test(names_that_all_runs_share_stay_whole),
		cmocka_unit_test(checkouts_in_two_places_are_one),
		cmocka_unit_test(what_both_sides_use_is_no_checkout),
		cmocka_unit_test(processes_left_over_are_paired_by_program),
		cmocka_unit_test(a_line_that_was_cut_is_its_process),
		cmocka_unit_test(what_is_proven_comes_first),
		cmocka_unit_test(waiting_for_a_cpu_hides_no_work),
		cmocka_unit_test(interleaved_runs_are_compared_at_equal_speed),
		cmocka_unit_test(memory_is_told_by_process),
		cmocka_unit_test(memory_that_was_not_counted_is_unknown),
		cmocka_unit_test(runs_that_took_turns_are_compared_in_blocks),
		cmocka_unit_test(each_fact_that_must_be_equal_is_named),
		cmocka_unit_test(a_missing_fact_is_no_difference),
		cmocka_unit_test(memory_is_compared_in_whole_gigabytes),
		cmocka_unit_test(facts_of_another_version_show_in_the_digest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
