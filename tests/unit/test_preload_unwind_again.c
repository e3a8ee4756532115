/* SPDX-License-Identifier: MIT */
/* What a walk takes over from the last one, on stacks that somebody made up. */

#include <stdlib.h>
#include <string.h>

#include "preload/unwind.h"
#include "tests/unit/cmocka.h"

static struct code code = { .directory = "/nowhere" };
static struct sl_exact file = { .nodes_room = SL_EXACT_NODES };
static struct stack_nodes nodes = { .file = &file };

enum { MADE_WORDS = 1024, FUNCTIONS = 24, DEPTH = 40, ROUNDS = 20000 };

/* How function @f is left is fixed; so are the words of its frame. */
static uint32_t rule_of(unsigned int f)
{
	const unsigned int words = 3 + f / 4;
	switch (f % 4) {
	case 0:
		return f == 0 ? SL_RULE(SL_RULE_END, SL_SAVED_NOT, 0)
			      : SL_RULE(SL_RULE_RSP, SL_SAVED_NOT, words);
	case 1:
		return SL_RULE(SL_RULE_RSP, 3, words);
	case 2:
		return SL_RULE(SL_RULE_RBP, 2, 2);
	default:
		return SL_RULE(SL_RULE_RSP, f == 3 ? SL_SAVED_LOST : SL_SAVED_NOT, words);
	}
}

struct call {
	unsigned int function;
	uint64_t *rsp;
	uint64_t rbp;
};

struct stack {
	uint64_t words[MADE_WORDS];
	struct call frames[DEPTH];
	unsigned int n;
	uint32_t seed;
};

static uint32_t any(struct stack *m, uint32_t n)
{
	m->seed = m->seed * 1664525u + 1013904223u;
	return (m->seed >> 8) % n;
}

static uint64_t made_address(unsigned int f)
{
	return 0x5001 + 2 * (uint64_t)f;
}

static void add_call(struct stack *m, unsigned int f)
{
	const struct call *caller = &m->frames[m->n - 1];
	struct call *frame = &m->frames[m->n++];
	uint64_t *cfa = caller->rsp;
	*frame = (struct call){ f, cfa - 3 - f / 4, caller->rbp };
	cfa[-1] = made_address(caller->function);
	if (f % 4 == 2) {
		cfa[-2] = caller->rbp;
		frame->rbp = (uintptr_t)&cfa[-2];
	} else if (f % 4 == 1) {
		cfa[-3] = caller->rbp;
		frame->rbp = any(m, 3);
	} else if (f == 3) {
		frame->rbp = any(m, 3);
	}
}

static uint32_t walk(const struct stack *m, struct unwind_thread *t)
{
	const struct call *inner = &m->frames[m->n - 1];
	const struct unwind_start from = { made_address(inner->function), (uintptr_t)inner->rsp,
					   inner->rbp };
	t->low = (uintptr_t)m->words;
	t->high = (uintptr_t)(m->words + MADE_WORDS);
	t->epoch = code_epoch(&code);
	for (unsigned int f = 0; f < FUNCTIONS; f++)
		*unwind_row_of(t, made_address(f) - 1) =
			(struct unwind_row){ made_address(f) - 1, rule_of(f) };
	return unwind_stack(&code, &nodes, t, &from, false);
}

/* What is taken over from the last time is what a first walk finds, whatever returned, called, or was written. */
static void what_is_taken_over_is_what_is_there(void **state)
{
	static struct stack m = { .n = 1, .seed = 23 };
	static struct unwind_thread kept, fresh;
	uint32_t n_reused = 0;
	(void)state;
	m.frames[0] = (struct call){ 0, m.words + MADE_WORDS - 8, 7 };
	for (int round = 0; round < ROUNDS; round++) {
		m.n -= any(&m, 4) == 0 ? any(&m, m.n) : any(&m, m.n < 4 ? m.n : 4);
		for (uint32_t i = any(&m, 4); i > 0 && m.n < DEPTH; i--)
			add_call(&m, 1 + any(&m, any(&m, 50) == 0 ? FUNCTIONS - 1 : 2));
		if (any(&m, 8) == 0 && m.n < DEPTH)
			add_call(&m, 4 + any(&m, FUNCTIONS - 4));
		/* A frame that is there may be another one than the last time. */
		uint64_t *word = &m.frames[any(&m, m.n)].rsp[-1 - (int)any(&m, 3)];
		const uint64_t before = *word;
		if (any(&m, 6) == 0)
			*word = any(&m, 2) == 0 ? made_address(1 + any(&m, 2))
						: m.words[any(&m, MADE_WORDS)];
		memset(&fresh, 0, sizeof(fresh));
		n_reused += kept.n_last > 2;
		assert_int_equal(walk(&m, &kept), walk(&m, &fresh));
		*word = before;
	}
	assert_true(n_reused > ROUNDS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_taken_over_is_what_is_there),
	};
	nodes.nodes = calloc(SL_EXACT_NODES, sizeof(*nodes.nodes));
	nodes.buckets = calloc(NODE_BUCKETS, sizeof(*nodes.buckets));
	if (nodes.nodes == NULL || nodes.buckets == NULL)
		return 1;
	const int r = cmocka_run_group_tests(tests, NULL, NULL);
	free(nodes.nodes);
	free(nodes.buckets);
	return r;
}
