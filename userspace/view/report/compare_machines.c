/* SPDX-License-Identifier: MIT */
/* The two machines of a comparison, fact by fact. */

#include <string.h>

#include "userspace/model/hosts.h"
#include "userspace/view/report/compare.h"
#include "userspace/view/report/parts.h"

static const struct column machine_columns[] = {
	{ .title = "fact", .key = "fact" },   { .title = "base", .key = "base" },
	{ .title = "head", .key = "head" },   { .title = "must be equal", .key = "must_be_equal" },
	{ .title = "state", .key = "state" },
};

static const char *or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : NULL;
}

struct table *build_machines(const struct comparison *c)
{
	struct table *t = table_new("machines", machine_columns, N_OF(machine_columns));
	for (const struct host_fact *fact = host_facts; fact->key != NULL; fact++) {
		const char *base = or_null(host_text(c->arena, &c->base->host, fact));
		const char *head = or_null(host_text(c->arena, &c->head->host, fact));
		table_text(t, fact->key);
		table_text(t, base);
		table_text(t, head);
		table_text(t, fact->must_be_equal ? "yes" : "no");
		table_text(t, base == NULL || head == NULL ? "unknown"
			      : strcmp(base, head) == 0	   ? "equal"
							   : "different");
	}
	if (c->incomparable != NULL)
		table_note(t, "incomparable machines: %s", c->incomparable);
	for (size_t i = 0; i < c->n_host_notes; i++)
		table_note(t, "%s", c->host_notes[i]);
	return t;
}
