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

int build_machines(const struct comparison *c, struct table **ret)
{
	const int r = table_new("machines", machine_columns, N_OF(machine_columns), ret);
	for (const struct host_fact *fact = host_facts; fact->key != NULL && r == 0; fact++) {
		const char *base = or_null(host_text(c->arena, &c->base->host, fact));
		const char *head = or_null(host_text(c->arena, &c->head->host, fact));
		table_text(*ret, fact->key);
		table_text(*ret, base);
		table_text(*ret, head);
		table_text(*ret, fact->must_be_equal ? "yes" : "no");
		table_text(*ret, base == NULL || head == NULL ? "unknown"
				 : strcmp(base, head) == 0    ? "equal"
							      : "different");
	}
	if (r == 0 && c->incomparable != NULL)
		table_note(*ret, "incomparable machines: %s", c->incomparable);
	for (size_t i = 0; i < c->n_host_notes && r == 0; i++)
		table_note(*ret, "%s", c->host_notes[i]);
	return r;
}
