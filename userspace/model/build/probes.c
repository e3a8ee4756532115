/* SPDX-License-Identifier: MIT */
/* What this kernel refused: what META says of each probe, and that what was lost is not known. */
#include "userspace/model/build/internal.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define MAX_PROBES 64
#define MAX_WORDS  64

/* ---- reading ---- */

static int split(struct arena *a, const char *text, struct text_list *ret)
{
	const char *words[MAX_WORDS];
	size_t n = 0;
	for (const char *at = text; n < MAX_WORDS && *(at += strspn(at, " ")) != '\0';) {
		const size_t length = strcspn(at, " ");
		words[n] = arena_strndup(a, at, length);
		if (words[n++] == NULL)
			return -ENOMEM;
		at += length;
	}
	ret->items = arena_memdup(a, words, n * sizeof(*words));
	ret->n = ret->items != NULL ? n : 0;
	return n == 0 || ret->items != NULL ? 0 : -ENOMEM;
}

int probes_read(struct facts *f, const char *key, const char *value)
{
	if (key[0] == '\0') {
		const struct probe fresh = { .name = value };
		return f->probes.n < MAX_PROBES ? vec_push(&f->probes, fresh) : 0;
	}
	if (f->probes.n == 0)
		return 0;
	struct probe *probe = vec_last(&f->probes);
	const struct {
		const char *key;
		const char **text;
		struct text_list *list;
	} facts[] = {
		{ ".used", &probe->mechanism, NULL },  { ".error", &probe->error, NULL },
		{ ".lost", &probe->lost, NULL },       { ".remedy", &probe->remedy, NULL },
		{ ".metrics", NULL, &probe->metrics }, { ".causes", NULL, &probe->causes },
	};
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
		if (strcmp(key, facts[i].key) != 0)
			continue;
		if (facts[i].list != NULL)
			return split(f->session->arena, value, facts[i].list);
		*facts[i].text = value;
	}
	return 0;
}

int probes_keep(struct facts *f)
{
	struct session *s = f->session;
	if (f->probes.n == 0)
		return 0;
	s->probes = arena_memdup(s->arena, f->probes.items, f->probes.n * sizeof(*s->probes));
	s->n_probes = s->probes != NULL ? f->probes.n : 0;
	return s->probes != NULL ? 0 : -ENOMEM;
}

/* ---- what was lost ---- */

bool probes_have(const struct facts *f, const char *name)
{
	for (size_t i = 0; i < f->probes.n; i++)
		if (strcmp(f->probes.items[i].name, name) == 0)
			return f->probes.items[i].mechanism != NULL;
	return true; /* nothing was said against it */
}

bool probes_work(const struct facts *f, const char *name)
{
	for (size_t i = 0; i < f->probes.n; i++)
		if (strcmp(f->probes.items[i].name, name) == 0)
			return f->probes.items[i].error == NULL;
	return true;
}

bool probes_lost_metric(const struct session *s, const char *id)
{
	for (size_t i = 0; i < s->n_probes; i++)
		for (size_t k = 0; k < s->probes[i].metrics.n; k++)
			if (strcmp(s->probes[i].metrics.items[k], id) == 0)
				return true;
	return false;
}

void probes_finish(struct builder *b)
{
	for (size_t i = 0; metrics[i].id != NULL; i++)
		if (probes_lost_metric(b->facts->session, metrics[i].id))
			metrics_forget(&metrics[i], b->run);
}

void probes_forget_values(const struct session *s, double *values)
{
	for (size_t i = 0; metrics[i].id != NULL; i++)
		if (probes_lost_metric(s, metrics[i].id))
			values[i] = NAN;
}
