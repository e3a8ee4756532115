/* SPDX-License-Identifier: MIT */
/* The same files in two places: a branch checked out beside another, two CI machines. Paths that
 * only one side has are matched from their ends; the pair of beginnings that most of them agree on
 * is where the two checkouts lie. */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/vec.h"
#include "userspace/model/compare/internal.h"

#define PATHS_MAX  256	/* of a side; more would not change the majority */
#define SHARED_MAX 4096 /* texts of both sides; they begin with the commonest */

struct path { /* in one of the texts */
	const char *text;
	size_t n;
};

struct path_list VEC(struct path);

struct vote {
	struct path base, head;
	size_t n;
};

/* --- paths in texts --------------------------------------------------------------------------- */

static bool is_path_byte(char c)
{
	return c != '\0' && strchr(" \t\n=:,;'\"()<>|&", c) == NULL;
}

/* The next path in @text from @at on; its length is 0 when there is none. */
static struct path next_path(const char *text, size_t at)
{
	for (; text[at] != '\0'; at++) {
		if (text[at] != '/' || (at > 0 && is_path_byte(text[at - 1])))
			continue;
		size_t n = 0;
		while (is_path_byte(text[at + n]))
			n++;
		if (n > 1)
			return (struct path){ text + at, n };
	}
	return (struct path){ text + at, 0 };
}

static int collect_paths(const struct text_list *texts, struct path_list *ret)
{
	for (size_t i = 0; i < texts->n && ret->n < PATHS_MAX; i++) {
		const char *text = texts->items[i];
		for (struct path p = next_path(text, 0); p.n > 0 && ret->n < PATHS_MAX;
		     p = next_path(text, (size_t)(p.text - text) + p.n)) {
			if (vec_push(ret, p) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

/* Bytes that both end with, whole components only: "/bin/server". */
static size_t common_end(struct path a, struct path b)
{
	size_t same = 0, components = 0;
	while (same < a.n && same < b.n && a.text[a.n - 1 - same] == b.text[b.n - 1 - same]) {
		same++;
		if (a.text[a.n - same] == '/')
			components = same;
	}
	return components;
}

/* --- the majority ----------------------------------------------------------------------------- */

static bool is_same(struct path a, struct path b)
{
	return a.n == b.n && memcmp(a.text, b.text, a.n) == 0;
}

static void cast_vote(struct vote *votes, size_t *n, struct path base, struct path head)
{
	for (size_t i = 0; i < *n; i++) {
		if (is_same(votes[i].base, base) && is_same(votes[i].head, head)) {
			votes[i].n++;
			return;
		}
	}
	votes[(*n)++] = (struct vote){ base, head, 1 };
}

static bool begins_shared(const struct text_list *shared, struct path prefix)
{
	for (size_t i = 0; i < shared->n && i < SHARED_MAX; i++) {
		const char *text = shared->items[i];
		for (struct path p = next_path(text, 0); p.n > 0;
		     p = next_path(text, (size_t)(p.text - text) + p.n)) {
			if (p.n > prefix.n && p.text[prefix.n] == '/' &&
			    memcmp(p.text, prefix.text, prefix.n) == 0)
				return true;
		}
	}
	return false;
}

static size_t count_votes(const struct path_list *base, const struct path_list *head,
			  struct vote *votes)
{
	size_t n = 0;
	vec_foreach(b, base) {
		size_t best = 0;
		struct path other = { NULL, 0 };
		vec_foreach(h, head) {
			const size_t end = common_end(*b, *h);
			if (end > best && end < b->n && end < h->n) {
				best = end;
				other = *h;
			}
		}
		if (best > 0)
			cast_vote(votes, &n, (struct path){ b->text, b->n - best },
				  (struct path){ other.text, other.n - best });
	}
	return n;
}

int checkouts_find(struct arena *arena, const struct text_list *base, const struct text_list *head,
		   const struct text_list *shared, struct checkouts *ret)
{
	struct path_list base_paths = { 0 }, head_paths = { 0 };
	struct vote votes[PATHS_MAX];
	const struct vote *best = NULL;
	int r = collect_paths(base, &base_paths);
	if (r == 0)
		r = collect_paths(head, &head_paths);
	const size_t n = r == 0 ? count_votes(&base_paths, &head_paths, votes) : 0;
	for (size_t i = 0; i < n; i++) {
		/* What both sides use is no checkout of one of them: /usr. */
		if ((best == NULL || votes[i].n > best->n) &&
		    !begins_shared(shared, votes[i].base) && !begins_shared(shared, votes[i].head))
			best = &votes[i];
	}
	*ret = (struct checkouts){ "", "" };
	if (best != NULL) {
		ret->base = arena_strndup(arena, best->base.text, best->base.n);
		ret->head = arena_strndup(arena, best->head.text, best->head.n);
		if (ret->base == NULL || ret->head == NULL)
			r = -ENOMEM;
	}
	vec_done(&base_paths);
	vec_done(&head_paths);
	return r;
}

const char *checkout_removed(struct arena *arena, const char *text, const char *prefix)
{
	const size_t n_prefix = strlen(prefix);
	_cleanup_free_ char *out = malloc(strlen(text) + 1);
	size_t n = 0;
	if (out == NULL)
		return NULL;
	for (size_t at = 0; text[at] != '\0';) {
		const bool is_start = at == 0 || !is_path_byte(text[at - 1]);
		if (is_start && strncmp(text + at, prefix, n_prefix) == 0 &&
		    !(is_path_byte(text[at + n_prefix]) && text[at + n_prefix] != '/')) {
			out[n++] = '*';
			at += n_prefix;
		} else {
			out[n++] = text[at++];
		}
	}
	return arena_internn(arena, out, n);
}
