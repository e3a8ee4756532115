/* SPDX-License-Identifier: MIT */
/* A difference is told by function, library and module of a language where the runs bear it out; the rows
 * add up. */

#include <math.h>
#include <stdio.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_session.h"
#include "userspace/base/random.h"
#include "userspace/model/compare/compare.h"

#define RUNS	  8
#define FUNCTIONS 12
#define WORSE	  5 /* the function that takes longer in head */

static struct random chance;
static double noise = 0.02;

static int64_t about(double ns)
{
	return (int64_t)(ns * exp(noise * random_normal(&chance)));
}

/* A program of twelve functions, the last half of them in a library; @suffix is what this build's
 * compiler appends to their names. */
static void add_code(struct session *s, const char *program, const char *library,
		     const char *suffix)
{
	s->frames = arena_alloc_array(s->arena, FUNCTIONS, sizeof(*s->frames));
	s->stacks = arena_alloc_array(s->arena, FUNCTIONS, sizeof(*s->stacks));
	for (int i = 0; i < FUNCTIONS; i++) {
		const int64_t frames[] = { i };
		s->frames[i] = (struct frame){
			.function = arena_printf(s->arena, "f%d%s", i, suffix),
			.module = i < FUNCTIONS / 2 ? program : library,
			.line = UNKNOWN,
		};
		s->stacks[i].frames = sample_copy(s, frames, sizeof(frames));
		s->stacks[i].n_frames = 1;
	}
	s->n_frames = s->n_stacks = FUNCTIONS;
}

static struct session *session_of(const char *program, const char *library, const char *suffix,
				  int worse, double by)
{
	struct session *s = sample_new(RUNS);
	add_code(s, program, library, suffix);
	for (size_t i = 0; i < RUNS; i++) {
		struct run *run = &s->runs[i];
		struct process p = sample_process(s, 1, program, "x");
		run->processes = sample_copy(s, &p, sizeof(p));
		run->n_processes = 1;
		run->samples = arena_alloc_array(s->arena, FUNCTIONS, sizeof(*run->samples));
		run->has_samples = true;
		for (int f = 0; f < FUNCTIONS; f++) {
			const int64_t ns = about(20 * MS * (f == worse ? by : 1));
			run->samples[run->n_samples++] =
				(struct cpu_sample){ .process = 1,
						     .thread = 4123,
						     .phase = PHASE_MAIN,
						     .stack = f,
						     .start_ns = run->startup_total_ns,
						     .weight_ns = ns,
						     .is_critical = true };
			sample_segment(s, run, ns, PHASE_MAIN, CAUSE_CPU, f % 2 ? "read" : "");
		}
	}
	assert_int_equal(metrics_collect(s), 0);
	return s;
}

static size_t named(const struct comparison *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->n_contributions; i++)
		n += c->contributions[i].function != NULL;
	return n;
}

static void assert_adds_up(const struct comparison *c)
{
	int64_t base_ns = 0, head_ns = 0;
	for (size_t i = 0; i < c->n_contributions; i++) {
		base_ns += c->contributions[i].base_ns;
		head_ns += c->contributions[i].head_ns;
	}
	assert_int_equal(base_ns, c->base_total_ns);
	assert_int_equal(head_ns, c->head_total_ns);
}

static struct comparison *compare(struct session *base, struct session *head)
{
	struct comparison *c = NULL;
	assert_int_equal(comparison_build(base, head, 0.99, &c), 0);
	assert_adds_up(c);
	return c;
}

static void done(struct comparison *c)
{
	struct session *base = c->base, *head = c->head;
	(void)comparison_free(c);
	(void)session_free(base);
	(void)session_free(head);
}

/* Other paths, another version of the library, other clones: the same functions. */
static void the_function_that_got_slower_is_named(void **state)
{
	(void)state;
	for (int worse = WORSE; worse <= WORSE + 1; worse++) {
		random_seed(&chance, 23);
		struct comparison *c = compare(
			session_of("/old/app", "/lib/libfoo.so.1", "", -1, 1),
			session_of("/new/app", "/opt/libfoo.so.2.1", ".isra.0", worse, 1.6));
		const struct contribution *cause = comparison_cause(c);
		char name[16];
		(void)snprintf(name, sizeof(name), "f%d", worse);
		assert_non_null(cause->function);
		assert_string_equal(cause->function, name);
		assert_string_equal(cause->module, worse < FUNCTIONS / 2 ? "" : "libfoo.so");
		assert_string_equal(cause->detail,
				    worse < FUNCTIONS / 2 ? "f5" : "f6 in libfoo.so");
		assert_true(cause->delta_ns > 9 * MS && cause->delta_ns < 15 * MS);
		assert_true(cause->low_ns > 0);
		assert_int_equal(named(c), 1);
		done(c);
	}
}

static void without_a_change_no_function_is_named(void **state)
{
	(void)state;
	size_t n = 0;
	random_seed(&chance, 29);
	noise = 0.3;
	for (int round = 0; round < 40; round++) {
		struct comparison *c = compare(session_of("/a/app", "/lib/libfoo.so.1", "", -1, 1),
					       session_of("/a/app", "/lib/libfoo.so.1", "", -1, 1));
		n += named(c);
		/* The rest is told as without stacks: by the call it was in. */
		assert_true(named(c) > 0 || c->n_contributions == 2);
		done(c);
	}
	assert_true(n <= 12); /* one in a hundred of 40 times 12 are 5 */
	noise = 0.02;
}

static void one_side_without_stacks_names_none(void **state)
{
	(void)state;
	random_seed(&chance, 31);
	struct session *head = session_of("/a/app", "/lib/libfoo.so.1", "", WORSE, 2);
	head->runs[3].has_samples = false;
	struct comparison *c = compare(session_of("/a/app", "/lib/libfoo.so.1", "", -1, 1), head);
	assert_int_equal(named(c), 0);
	assert_int_equal(c->n_contributions, 2);
	done(c);
}

/* The same program without samples, for others to add to. */
static struct session *bare_session(void)
{
	struct session *s = session_of("/a/app", "/lib/libfoo.so.1", "", -1, 1);
	for (size_t i = 0; i < RUNS; i++) {
		s->runs[i].n_samples = s->runs[i].n_segments = 0;
		s->runs[i].startup_total_ns = 0;
	}
	return s;
}

/* f1 and f2 wait for so long, and for an object. */
static struct session *waiting(double first_ms, double second_ms, const char *object)
{
	struct session *s = bare_session();
	for (size_t i = 0; i < RUNS; i++) {
		struct run *run = &s->runs[i];
		sample_segment(s, run, about(100 * MS), PHASE_MAIN, CAUSE_CPU, "");
		if (first_ms > 0)
			sample_segment(s, run, about(first_ms * MS), PHASE_MAIN, CAUSE_SLEEP,
				       object)
				->stack = 1;
		sample_segment(s, run, 11 * MS, PHASE_MAIN, CAUSE_SLEEP, "");
		if (second_ms > 0)
			sample_segment(s, run, about(second_ms * MS), PHASE_MAIN, CAUSE_SLEEP,
				       object)
				->stack = 2;
	}
	assert_int_equal(metrics_collect(s), 0);
	return s;
}

static void a_wait_is_told_by_who_waited(void **state)
{
	(void)state;
	random_seed(&chance, 37);
	struct comparison *c = compare(waiting(40, 41, ""), waiting(40, 61, ""));
	const struct contribution *cause = comparison_cause(c);
	assert_string_equal(cause->function, "f2");
	assert_string_equal(cause->detail, "f2");
	assert_int_equal(cause->cause, CAUSE_SLEEP);
	assert_true(cause->delta_ns > 17 * MS && cause->delta_ns < 23 * MS);
	assert_null(comparison_moved(c));
	done(c);
	/* What it waits for is more than that. */
	c = compare(waiting(40, 41, "tcp x"), waiting(40, 61, "tcp x"));
	cause = comparison_cause(c);
	assert_string_equal(cause->function, "f2");
	assert_string_equal(cause->detail, "tcp x");
	assert_true(cause->has_object);
	done(c);
}

static void what_moved_is_no_cause(void **state)
{
	(void)state;
	random_seed(&chance, 41);
	struct session *head = waiting(0, 40, "");
	for (size_t i = 0; i < RUNS; i++)
		sample_segment(head, &head->runs[i], about(5 * MS), PHASE_EXEC, CAUSE_DISK, "disk");
	struct comparison *c = compare(waiting(40, 0, ""), head);
	const struct contribution *to = comparison_moved(c);
	assert_non_null(to);
	assert_string_equal(to->function, "f2");
	assert_string_equal(to->counterpart->function, "f1");
	assert_true(to->delta_ns > 38 * MS && to->counterpart->delta_ns < -38 * MS);
	assert_string_equal(comparison_cause(c)->detail, "disk");
	done(c);
}

/* The loader's own functions are the same for every library, and so is its file for other versions. */
static struct session *loading(const char *library, double ms)
{
	struct session *s = bare_session();
	for (int i = 0; i < FUNCTIONS; i++)
		s->frames[i].module = "/lib64/ld-linux-x86-64.so.2";
	for (size_t i = 0; i < RUNS; i++) {
		struct run *run = &s->runs[i];
		sample_segment(s, run, about(10 * MS), PHASE_LINK, CAUSE_CPU, "/lib/libbar.so.1");
		if (ms > 0)
			sample_segment(s, run, about(ms * MS), PHASE_LINK, CAUSE_CPU, library);
		for (size_t k = 0; k < run->n_segments; k++) {
			run->samples[run->n_samples] = (struct cpu_sample){
				.process = 1,
				.thread = 4123,
				.phase = PHASE_LINK,
				.stack = 3,
				.start_ns = run->segments[k].start_ns,
				.weight_ns = run->segments[k].duration_ns,
				.is_critical = true,
			};
			run->n_samples++;
		}
	}
	assert_int_equal(metrics_collect(s), 0);
	return s;
}

static void a_library_is_named_and_not_its_loader(void **state)
{
	(void)state;
	random_seed(&chance, 43);
	struct comparison *c = compare(loading("", 0), loading("/opt/b/libtables.so.2.1", 3));
	const struct contribution *cause = comparison_cause(c);
	assert_null(cause->function);
	assert_string_equal(cause->module, "libtables.so");
	assert_string_equal(cause->detail, "libtables.so");
	assert_false(cause->is_in_base);
	done(c);
	c = compare(loading("/opt/a/libtables.so.1.9", 3), loading("/opt/b/libtables.so.2.1", 5));
	cause = comparison_cause(c);
	assert_string_equal(cause->module, "libtables.so");
	assert_true(cause->is_in_base && cause->is_in_head);
	assert_true(cause->delta_ns > 1 * MS && cause->delta_ns < 3 * MS);
	done(c);
}

#define PARTS 60

/* Of all parts one has the time of all, another one in each run. */
static bool are_by_turns;

static void add_module(struct session *s, struct run *run, const char *name, int64_t parent,
		       int64_t start_ns, int64_t self_ns, int64_t total_ns)
{
	struct language_module *all =
		arena_alloc_array(s->arena, run->n_language_modules + 1, sizeof(*all));
	if (run->n_language_modules > 0)
		memcpy(all, run->language_modules, run->n_language_modules * sizeof(*all));
	all[run->n_language_modules++] = (struct language_module){
		.id = (int64_t)run->n_language_modules,
		.parent = parent,
		.name = name,
		.language = "python",
		.how = "probe",
		.process = 1,
		.thread = 4123,
		.start_ns = start_ns,
		.self_ns = self_ns,
		.total_ns = total_ns,
		.self_path_ns = self_ns,
		.total_path_ns = total_ns,
	};
	run->language_modules = all;
}

/* web loads @n parts that take @part_ms each, and works for 5 ms itself after that; what runs them is the
 * first function of which part it is. */
static struct session *importing(int n, double part_ms, bool has_stacks)
{
	struct session *s = bare_session();
	s->frames[4].function = "<module>";
	s->frames[4].module = "/srv/parts.py";
	for (size_t i = 0; i < RUNS; i++) {
		struct run *run = &s->runs[i];
		int64_t parts_ns[PARTS], all_ns = 0, at_ns = 20 * MS;
		const int64_t own_ns = about(5 * MS);
		run->has_samples = has_stacks;
		run->has_language_modules = true;
		for (int k = 0; k < n; k++)
			all_ns += parts_ns[k] = !are_by_turns	  ? about(part_ms * MS)
						: k == (int)i % n ? about(n * part_ms * MS)
								  : 0;
		sample_segment(s, run, 20 * MS, PHASE_MAIN, CAUSE_CPU, "");
		sample_segment(s, run, all_ns + own_ns, PHASE_MAIN, CAUSE_CPU, "");
		sample_segment(s, run, about(30 * MS), PHASE_MAIN, CAUSE_CPU, "");
		run->samples[0] = (struct cpu_sample){ .process = 1,
						       .thread = 4123,
						       .phase = PHASE_MAIN,
						       .stack = 4,
						       .start_ns = 0,
						       .weight_ns = run->startup_total_ns,
						       .is_critical = true };
		run->n_samples = 1;
		add_module(s, run, "shop.web", UNKNOWN, at_ns, own_ns, all_ns + own_ns);
		for (int k = 0; k < n; k++) {
			add_module(s, run, arena_printf(s->arena, "shop.part%d", k), 1, at_ns,
				   parts_ns[k], parts_ns[k]);
			at_ns += parts_ns[k];
		}
	}
	assert_int_equal(metrics_collect(s), 0);
	return s;
}

static void a_heavier_import_is_named(void **state)
{
	(void)state;
	for (int has_stacks = 0; has_stacks < 2; has_stacks++) {
		random_seed(&chance, 47);
		struct comparison *c =
			compare(importing(1, 10, has_stacks), importing(1, 30, has_stacks));
		const struct contribution *cause = comparison_cause(c);
		assert_string_equal(cause->import, "shop.part0");
		assert_string_equal(cause->detail, "import shop.part0");
		assert_null(cause->function);
		assert_true(cause->base_ns > 9 * MS && cause->base_ns < 11 * MS);
		assert_true(cause->delta_ns > 18 * MS && cause->delta_ns < 22 * MS);
		done(c);
	}
}

static void many_small_imports_are_those_of_who_asks(void **state)
{
	(void)state;
	random_seed(&chance, 53);
	struct comparison *c = compare(importing(0, 0, false), importing(PARTS, 0.2, false));
	const struct contribution *cause = comparison_cause(c);
	assert_string_equal(cause->import, "shop.web");
	assert_true(cause->delta_ns > 11 * MS && cause->delta_ns < 13 * MS);
	done(c);
}

/* Each may be worth a row, and none is proven to have changed. */
static void imports_that_are_not_proven_are_those_of_who_asks(void **state)
{
	(void)state;
	random_seed(&chance, 61);
	are_by_turns = true;
	struct comparison *c = compare(importing(6, 2, false), importing(6, 5, false));
	are_by_turns = false;
	const struct contribution *cause = comparison_cause(c);
	assert_string_equal(cause->import, "shop.web");
	assert_true(cause->delta_ns > 17 * MS && cause->delta_ns < 19 * MS);
	assert_int_equal(c->n_contributions, 2);
	done(c);
}

static void one_side_without_modules_names_none(void **state)
{
	(void)state;
	random_seed(&chance, 59);
	struct session *head = importing(1, 30, false);
	head->runs[5].has_language_modules = false;
	struct comparison *c = compare(importing(1, 10, false), head);
	assert_int_equal(c->n_contributions, 1);
	assert_null(c->contributions[0].import);
	done(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wait_is_told_by_who_waited),
		cmocka_unit_test(what_moved_is_no_cause),
		cmocka_unit_test(a_library_is_named_and_not_its_loader),
		cmocka_unit_test(a_heavier_import_is_named),
		cmocka_unit_test(many_small_imports_are_those_of_who_asks),
		cmocka_unit_test(imports_that_are_not_proven_are_those_of_who_asks),
		cmocka_unit_test(one_side_without_modules_names_none),
		cmocka_unit_test(the_function_that_got_slower_is_named),
		cmocka_unit_test(without_a_change_no_function_is_named),
		cmocka_unit_test(one_side_without_stacks_names_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
