/* SPDX-License-Identifier: MIT */
/* Whether two machines are alike enough for their times to be compared. A fact that one of the two
 * does not know is no difference: that it could not be compared is said. */

#include <errno.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/model/compare/internal.h"
#include "userspace/model/hosts.h"

#define LINE_MAX_BYTES 1024

struct hosts {
	struct comparison *comparison;
	const char *different; /* the first fact that must be equal and is not */
	struct buf unknown;    /* names of facts that only one side knows */
	size_t n_known[2], n_unknown;
	struct buf mentioned;
};

static const char *against(struct arena *arena, const char *name, const char *base,
			   const char *head)
{
	return arena_printf(arena, "%s: %s against %s", name, base, head);
}

static int look_at(struct hosts *h, const struct host_fact *fact)
{
	struct comparison *c = h->comparison;
	const char *base = host_text(c->arena, &c->base->host, fact);
	const char *head = host_text(c->arena, &c->head->host, fact);
	if (base == NULL || head == NULL)
		return -ENOMEM;
	const bool is_known[2] = { base[0] != '\0', head[0] != '\0' };
	if (fact->must_be_equal) {
		h->n_known[0] += is_known[0];
		h->n_known[1] += is_known[1];
		if (is_known[0] != is_known[1])
			(void)buf_addf(&h->unknown, "%s%s", h->n_unknown++ > 0 ? ", " : "",
				       fact->key);
	}
	if (!is_known[0] || !is_known[1] || strcmp(base, head) == 0)
		return 0;
	const char *line = against(c->arena, fact->key, base, head);
	if (line == NULL)
		return -ENOMEM;
	if (fact->must_be_equal && h->different == NULL)
		h->different = line;
	if (!fact->must_be_equal)
		(void)buf_addf(&h->mentioned, "%s%s", h->mentioned.len > 0 ? "; " : "", line);
	return 0;
}

static int note(struct comparison *c, const char *before, const char *text)
{
	if (c->n_host_notes == COMPARE_HOST_NOTES)
		return 0;
	const char *line = arena_printf(c->arena, "%s%s", before, text);
	if (line == NULL)
		return -ENOMEM;
	c->host_notes[c->n_host_notes++] = line;
	return 0;
}

/* Not of the machines, but of what was allowed on them. */
static int note_tiers(struct comparison *c)
{
	const struct metric *any = &metrics[0];
	const enum tier base = metrics_tier(c->base, any), head = metrics_tier(c->head, any);
	if (base == head || base == TIER_UNKNOWN || head == TIER_UNKNOWN)
		return 0;
	return note(c, "incomparable: only one has kernel events, ",
		    base == TIER_KERNEL_EVENTS ? "base" : "head");
}

static int note_unknown(const struct hosts *h)
{
	struct comparison *c = h->comparison;
	if (h->n_known[0] == 0 && h->n_known[1] == 0)
		return 0;
	for (int side = 0; side < 2; side++) {
		if (h->n_known[side] == 0)
			return note(c, "machines not compared: nothing is known about the one of ",
				    side == 0 ? "base" : "head");
	}
	return h->n_unknown > 0 ? note(c, "machines: known of one side only, and not compared: ",
				       buf_str(&h->unknown))
				: 0;
}

/* Facts that are not known here, of another version: all that shows of them is the digest. */
static const char *other_digest(const struct hosts *h)
{
	const struct comparison *c = h->comparison;
	const char *base = c->base->host.fingerprint, *head = c->head->host.fingerprint;
	if (h->n_unknown > 0 || base == NULL || head == NULL || strcmp(base, head) == 0)
		return NULL;
	return against(c->arena, "fingerprint", base, head);
}

int compare_hosts(struct comparison *c)
{
	struct hosts h = { .comparison = c };
	int r = 0;
	buf_init(&h.unknown, LINE_MAX_BYTES);
	buf_init(&h.mentioned, LINE_MAX_BYTES);
	for (const struct host_fact *fact = host_facts; fact->key != NULL && r == 0; fact++)
		r = look_at(&h, fact);
	c->incomparable = h.different != NULL ? h.different : other_digest(&h);
	if (r == 0)
		r = note_tiers(c);
	if (r == 0)
		r = note_unknown(&h);
	if (r == 0 && h.mentioned.len > 0)
		r = note(c, "also different: ", buf_str(&h.mentioned));
	buf_done(&h.unknown);
	buf_done(&h.mentioned);
	return r;
}
