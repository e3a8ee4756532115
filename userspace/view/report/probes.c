/* SPDX-License-Identifier: MIT */
/* What the kernel's probes tell, and what this kernel refused. */

#include <string.h>

#include "userspace/view/report/parts.h"

#define MAX_LIST ((size_t)4 << 10)

static const char *join(const struct text_list *list, struct buf *ret)
{
	buf_clear(ret);
	for (size_t i = 0; i < list->n; i++)
		(void)buf_addf(ret, "%s%s", i > 0 ? " " : "", list->items[i]);
	return list->n > 0 ? buf_str(ret) : NULL;
}

static void add_row(struct table *t, const struct probe *p)
{
	_cleanup_(buf_done) struct buf list = { .limit = MAX_LIST };
	if (p->lost != NULL)
		table_tone(t, TONE_WARN);
	table_text(t, p->name);
	table_text(t, p->mechanism);
	table_text(t, p->lost);
	table_text(t, p->error);
	table_text(t, join(&p->metrics, &list));
	table_text(t, join(&p->causes, &list));
	table_text(t, p->remedy);
}

/* Most are refused for the same reason. */
static void note_remedies(const struct session *s, struct table *t)
{
	const char *last = "";
	for (size_t i = 0; i < s->n_probes; i++) {
		const struct probe *p = &s->probes[i];
		if (p->lost == NULL)
			continue;
		table_note(t, "%s: %s", p->name, text_of(p->error));
		if (strcmp(text_of(p->remedy), last) != 0)
			table_note(t, "  what to do: %s", text_of(p->remedy));
		last = text_of(p->remedy);
	}
}

static struct table *build(const struct session *s, const char *title, bool only_lost)
{
	static const struct column columns[] = {
		{ .title = "probe", .key = "name" },
		{ .title = "by", .key = "mechanism" },
		{ .title = "lost", .key = "lost", .is_folded = true },
		{ .title = "error", .key = "error", .audience = FOR_PROGRAMS },
		{ .title = "metrics", .key = "metrics", .audience = FOR_PROGRAMS },
		{ .title = "causes", .key = "causes", .audience = FOR_PROGRAMS },
		{ .title = "do", .key = "remedy", .audience = FOR_PROGRAMS },
	};
	struct table *t = table_new(title, columns, N_OF(columns));
	for (size_t i = 0; i < s->n_probes; i++)
		if (!only_lost || s->probes[i].lost != NULL)
			add_row(t, &s->probes[i]);
	note_remedies(s, t);
	return t;
}

struct table *build_probes(const struct session *s, size_t run_index)
{
	(void)run_index;
	return build(s, "Kernel probes", false);
}

struct table *build_refused(const struct session *s, size_t run_index)
{
	(void)run_index;
	return build(s, "What this kernel does not tell", true);
}
