/* SPDX-License-Identifier: MIT */
/* See map_sites.h. */
#include "userspace/collect/heap/map_sites.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/base/id_map.h"
#include "userspace/base/units.h"
#include "userspace/base/vec.h"
#include "userspace/collect/run/emit.h"

struct map_site {
	struct site_owner owner;
	uint64_t since_ns; /* of the image */
	uint32_t image, stack;
	enum sl_mapsite_what what;
	struct sl_growth_sum all, ready;
};

struct map_sites {
	struct VEC(struct map_site) list;
	struct id_map of_stack; /* key_of() -> place */
	struct id_map of_pid;	/* -> place of its image's first site, plus 1; 0: none yet */
	uint32_t n_images;
	bool is_ready;
};

struct map_sites *map_sites_new(void)
{
	return calloc(1, sizeof(struct map_sites));
}

struct map_sites *map_sites_free(struct map_sites *s)
{
	if (s == NULL)
		return NULL;
	vec_done(&s->list);
	id_map_done(&s->of_stack);
	id_map_done(&s->of_pid);
	free(s);
	return NULL;
}

static uint64_t key_of(uint32_t image, enum sl_mapsite_what what, uint32_t stack)
{
	return ((uint64_t)image * SL_MAPSITE_WHATS + what) << 32 | stack;
}

/* -ENOMEM. */
static int add_site(struct map_sites *s, const struct site_owner *owner, uint64_t time_ns,
		    int first, enum sl_mapsite_what what, uint32_t stack)
{
	struct map_site site = {
		.owner = *owner, .since_ns = time_ns, .stack = stack, .what = what
	};
	const int place = (int)s->list.n;
	if (first >= 0) {
		site.image = s->list.items[first].image;
		site.since_ns = s->list.items[first].since_ns;
	} else {
		site.image = s->n_images;
		if (id_map_set(&s->of_pid, (uint32_t)owner->pid, place + 1) < 0)
			return -ENOMEM;
	}
	if (id_map_set(&s->of_stack, key_of(site.image, what, stack), place) < 0 ||
	    vec_push(&s->list, site) < 0)
		return -ENOMEM;
	s->n_images += first < 0;
	return place;
}

/* The place of the image's site with that stack, or -1. */
static int find_site(const struct map_sites *s, int first, enum sl_mapsite_what what,
		     uint32_t stack)
{
	if (first < 0)
		return -1;
	return id_map_get(&s->of_stack, key_of(s->list.items[first].image, what, stack));
}

int map_sites_add(struct map_sites *s, const struct site_owner *owner, uint64_t time_ns,
		  enum sl_mapsite_what what, uint32_t stack, uint64_t bytes)
{
	const int first = id_map_get(&s->of_pid, (uint32_t)owner->pid) - 1;
	int place = find_site(s, first, what, stack);
	/* What is beyond shows as growth without a stack. */
	if (place < 0 && s->list.n >= SITES_MAX)
		return 0;
	if (place < 0)
		place = add_site(s, owner, time_ns, first, what, stack);
	if (place < 0)
		return place;
	struct sl_growth_sum *all = &s->list.items[place].all;
	all->calls++;
	if (__builtin_add_overflow(all->bytes, bytes, &all->bytes))
		all->bytes = INT64_MAX;
	return 0;
}

void map_sites_image_ended(struct map_sites *s, pid_t pid)
{
	if (id_map_get(&s->of_pid, (uint32_t)pid) > 0)
		(void)id_map_set(&s->of_pid, (uint32_t)pid, 0);
}

void map_sites_ready(struct map_sites *s)
{
	s->is_ready = true;
	vec_foreach(site, &s->list)
		site->ready = site->all;
}

int map_sites_tell(const struct map_sites *s, struct sink sink)
{
	static const struct sl_growth_sum unknown = { SL_UNKNOWN, SL_UNKNOWN };
	int r = 0;
	for (size_t i = 0; i < s->list.n && r >= 0; i++) {
		const struct map_site *site = &s->list.items[i];
		struct sl_mapsite e = {
			.event = emit_header(SL_KIND_MAPSITE, sizeof(e), site->since_ns,
					     (pid_t)site->owner.told_pid),
			.stack = site->stack,
			.what = site->what,
			.since_ns = site->since_ns,
			.all = site->all,
			.ready = s->is_ready ? site->ready : unknown,
		};
		e.event.flags |= site->owner.flags;
		r = sink.event(sink.data, &e.event);
	}
	return r;
}
