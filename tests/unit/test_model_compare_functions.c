/* SPDX-License-Identifier: MIT */
/* A difference of time on the CPU is told by function where the runs bear it out; the rows add up. */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_function_that_got_slower_is_named),
		cmocka_unit_test(without_a_change_no_function_is_named),
		cmocka_unit_test(one_side_without_stacks_names_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
