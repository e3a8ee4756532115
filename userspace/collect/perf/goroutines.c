/* SPDX-License-Identifier: MIT */
/* See goroutines.h. */
#include "userspace/collect/perf/goroutines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pending_goroutine {
	struct along along;
	struct goroutine goroutine;
	uint8_t stack[GOROUTINE_BYTES];
};

void goroutines_done(struct goroutines *g)
{
	free(g->pending);
	g->pending = NULL;
}

int goroutines_keep(struct goroutines *g, const struct stack_snapshot *taken, pid_t tid)
{
	if (g->pending == NULL)
		g->pending = calloc(ALONG_MAX, sizeof(*g->pending));
	if (g->pending == NULL)
		return -ENOMEM;
	struct pending_goroutine *kept = &g->pending[g->next++ % ALONG_MAX];
	kept->along = along_of(taken, tid);
	kept->goroutine = (struct goroutine){
		.address = taken->registers[REGISTER_RAX],
		.rsp = taken->registers[REGISTER_RSP],
		.rip = taken->registers[REGISTER_RIP],
		.end = taken->registers[REGISTER_RDX],
		.bottom = taken->registers[REGISTER_RCX],
		.stack = kept->stack,
		.n_stack = taken->n_bytes <= GOROUTINE_BYTES ? taken->n_bytes : GOROUTINE_BYTES,
	};
	memcpy(kept->stack, taken->bytes, kept->goroutine.n_stack);
	return 0;
}

const struct goroutine *goroutines_of(struct goroutines *g, const struct snapshot *snapshot,
				      bool is_timer)
{
	const struct goroutine *found = NULL;
	for (size_t i = 0; g->pending != NULL && i < ALONG_MAX; i++)
		if (along_claim(&g->pending[i].along, snapshot, is_timer))
			found = &g->pending[i].goroutine;
	return found;
}
