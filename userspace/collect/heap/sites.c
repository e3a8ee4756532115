/* SPDX-License-Identifier: MIT */
/* See sites.h. */
#include "userspace/collect/heap/sites.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "userspace/base/id_map.h"
#include "userspace/base/vec.h"
#include "userspace/collect/heap/blocks.h"
#include "userspace/collect/run/emit.h"

#define SITE_PLACE 0x7fffffffu /* SITES_MAX is less */

struct sum {
	double blocks, bytes, variance;
	uint64_t samples;
};

/* What a site had when something was at its most. It is that of the peak of number `peak`, or, if there was
 * another one since, what the site has now. */
struct at_peak {
	struct sum sum;
	uint64_t peak;
};

struct site {
	uint32_t stack;
	struct sum total, live, temporary;
	double lifetime_ns;
	struct at_peak of_image, of_tree;
	struct sum before; /* what was live after the image's allocation of number `changed`, … */
	uint64_t changed;  /* … when blocks were freed before the next one */
};

/* Live bytes of an image, or of the tree, and how often they were more than ever. */
struct level {
	double live, most;
	uint64_t peak;
	uint64_t peak_at; /* of an image: after so many allocations that were told of */
};

struct image {
	struct site_owner owner;
	uint64_t since_ns, end_ns;
	enum sl_when when; /* EXIT also while it lives */
	struct level level;
	uint64_t allocations; /* that were told of */
	bool is_told;	      /* level is what its counters say, and not what samples do */
	uint64_t interval;    /* of what is recorded only the sampled ones count; 0: all */
	struct blocks blocks;
	struct id_map index; /* stack -> site */
	struct VEC(struct site) sites;
};

struct sites {
	struct VEC(struct image *) live, ended;
	struct id_map of_pid; /* -> live, plus 1 */
	struct level tree;
	uint64_t interval; /* of images that begin */
	size_t n_sites;
};

double sites_probability(uint64_t bytes, uint64_t interval)
{
	return interval <= 1 ? 1 : -expm1(-(double)bytes / (double)interval);
}

struct sites *sites_new(void)
{
	return calloc(1, sizeof(struct sites));
}

static void image_free(struct image *i)
{
	blocks_done(&i->blocks);
	id_map_done(&i->index);
	vec_done(&i->sites);
	free(i);
}

static void forget(struct sites *s)
{
	vec_foreach(i, &s->live)
		image_free(*i);
	vec_foreach(i, &s->ended)
		image_free(*i);
	vec_done(&s->live);
	vec_done(&s->ended);
	id_map_done(&s->of_pid);
	*s = (struct sites){ 0 };
}

struct sites *sites_free(struct sites *s)
{
	if (s != NULL)
		forget(s);
	free(s);
	return NULL;
}

/* ---- sums ---- */

static void sum_add(struct sum *sum, const struct block *block, double p, int sign)
{
	const double bytes = (double)block->bytes / p;
	sum->blocks += sign / p;
	sum->bytes += sign * bytes;
	sum->variance += sign * bytes * bytes * (1 - p);
	sum->samples += (uint64_t)sign;
	if (sum->samples == 0) /* no rests of rounding */
		*sum = (struct sum){ 0 };
}

static void settle(struct at_peak *at, const struct sum *live, const struct level *level)
{
	if (at->peak == level->peak)
		return;
	at->sum = *live;
	at->peak = level->peak;
}

static void level_peak(struct level *level, double most, uint64_t allocations)
{
	if (most <= level->most)
		return;
	level->most = most;
	level->peak++;
	level->peak_at = allocations;
}

/* ---- images and their sites ---- */

static struct image *image_of(const struct sites *s, pid_t pid)
{
	const int place = id_map_get(&s->of_pid, (uint64_t)(uint32_t)pid);
	return place > 0 ? s->live.items[place - 1] : NULL;
}

const struct blocks *sites_blocks(const struct sites *s, pid_t pid)
{
	const struct image *i = image_of(s, pid);
	return i != NULL ? &i->blocks : NULL;
}

static struct image *image_begin(struct sites *s, const struct site_owner *owner, uint64_t time_ns)
{
	struct image *i = calloc(1, sizeof(*i));
	if (i == NULL)
		return NULL;
	*i = (struct image){
		.owner = *owner, .since_ns = time_ns, .when = SL_WHEN_EXIT, .interval = s->interval
	};
	if (vec_push(&s->live, i) < 0) {
		free(i);
		return NULL;
	}
	if (id_map_set(&s->of_pid, (uint64_t)(uint32_t)owner->pid, (int)s->live.n) < 0) {
		s->live.n--;
		free(i);
		return NULL;
	}
	return i;
}

/* -ENOMEM. */
static int site_of(struct sites *s, struct image *i, uint32_t stack)
{
	int place = id_map_get(&i->index, stack);
	if (place < 0 && s->n_sites >= SITES_MAX && stack != 0)
		return site_of(s, i, 0);
	if (place >= 0)
		return place;
	place = (int)i->sites.n;
	if (vec_push(&i->sites, (struct site){ .stack = stack }) < 0)
		return -ENOMEM;
	if (id_map_set(&i->index, stack, place) < 0) {
		i->sites.n--;
		return -ENOMEM;
	}
	s->n_sites++;
	return place;
}

static void settle_image(const struct image *i, struct site *site)
{
	const bool is_changed = site->changed == i->level.peak_at && site->changed != 0;
	settle(&site->of_image, is_changed ? &site->before : &site->live, &i->level);
}

static void settle_both(struct sites *s, const struct image *i, struct site *site)
{
	settle_image(i, site);
	settle(&site->of_tree, &site->live, &s->tree);
}

/* The peak may turn out to have been between the last allocation that was told of and the next. What was freed in
 * the meantime was there then, or it would not have been the peak. */
static void keep_before(const struct image *i, struct site *site)
{
	if (site->changed == i->allocations)
		return;
	site->before = site->live;
	site->changed = i->allocations;
}

/* The weight of a live block is that with which it was allocated. */
static double weight_of(const struct block *block)
{
	return 1 / (double)block->p;
}

static void block_ended(struct sites *s, struct image *i, const struct block *block)
{
	struct site *site = &i->sites.items[block->site];
	settle_both(s, i, site);
	keep_before(i, site);
	sum_add(&site->live, block, (double)block->p, -1);
	const double bytes = (double)block->bytes * weight_of(block);
	i->level.live -= bytes;
	s->tree.live -= bytes;
}

int sites_allocated(struct sites *s, const struct site_block *b)
{
	struct image *i = image_of(s, b->owner.pid);
	/* Nobody could have seen it. */
	if (b->address == 0 || b->bytes == 0 || !(b->p > 0))
		return 0;
	if (i == NULL)
		i = image_begin(s, &b->owner, b->time_ns);
	/* Recorded before its thread saw that no more is. */
	if (i != NULL && i->interval != 0 && !b->is_sampled)
		return 0;
	const int place = i != NULL ? site_of(s, i, b->stack) : -ENOMEM;
	if (place < 0)
		return place;
	const struct block block = {
		.address = b->address,
		.bytes = b->bytes,
		.time_ns = b->time_ns,
		.site = (uint32_t)place & SITE_PLACE,
		.is_sampled = b->is_sampled,
		.p = (float)(i->interval == 0 ? b->p : sites_probability(b->bytes, i->interval)),
	};
	struct block before;
	if (b->peak_bytes > b->live_bytes)
		level_peak(&i->level, (double)b->peak_bytes, i->allocations);
	const int r = blocks_put(&i->blocks, &block, &before);
	if (r < 0)
		return r;
	if (r > 0)
		block_ended(s, i, &before);
	struct site *site = &i->sites.items[place];
	settle_both(s, i, site);
	sum_add(&site->total, &block, (double)block.p, 1);
	sum_add(&site->live, &block, (double)block.p, 1);
	i->is_told |= b->live_bytes != 0;
	const double live = b->live_bytes != 0
				    ? (double)b->live_bytes
				    : i->level.live + (double)block.bytes * weight_of(&block);
	s->tree.live += live - i->level.live;
	i->level.live = live;
	level_peak(&i->level, live, ++i->allocations);
	level_peak(&s->tree, s->tree.live, 0);
	return 0;
}

void sites_freed(struct sites *s, pid_t pid, uint64_t time_ns, uint64_t address, bool is_temporary)
{
	struct image *i = image_of(s, pid);
	struct block block;
	if (i == NULL || !blocks_take(&i->blocks, address, &block))
		return;
	block_ended(s, i, &block);
	struct site *site = &i->sites.items[block.site];
	if (is_temporary)
		sum_add(&site->temporary, &block, (double)block.p, 1);
	if (time_ns > block.time_ns)
		site->lifetime_ns += (double)(time_ns - block.time_ns) * weight_of(&block);
}

/* ---- from all blocks to some ---- */

/* Those that are live stand for others, or are forgotten. */
static void sample_image(struct sites *s, struct image *i, uint64_t interval)
{
	struct blocks sampled = { 0 };
	if (i->interval != 0)
		return;
	i->interval = interval;
	for (size_t k = 0; k < i->blocks.n_slots; k++) {
		struct block block = i->blocks.slots[k], before;
		if (block.address == 0)
			continue;
		block_ended(s, i, &block);
		block.p = (float)sites_probability(block.bytes, interval);
		if (!block.is_sampled || blocks_put(&sampled, &block, &before) < 0)
			continue;
		const double bytes = (double)block.bytes * weight_of(&block);
		sum_add(&i->sites.items[block.site].live, &block, (double)block.p, 1);
		i->level.live += bytes;
		s->tree.live += bytes;
	}
	blocks_done(&i->blocks);
	i->blocks = sampled;
}

void sites_sample_from_now(struct sites *s, pid_t pid, uint64_t interval)
{
	if (pid == 0)
		s->interval = interval;
	vec_foreach(i, &s->live)
		if (pid == 0 || (*i)->owner.pid == pid)
			sample_image(s, *i, interval);
}

size_t sites_n_blocks(const struct sites *s, pid_t *ret_pid)
{
	size_t sum = 0, most = 0;
	*ret_pid = 0;
	vec_foreach(i, &s->live) {
		sum += (*i)->blocks.n;
		if ((*i)->blocks.n <= most)
			continue;
		most = (*i)->blocks.n;
		*ret_pid = (*i)->owner.pid;
	}
	return sum;
}

void sites_image_ended(struct sites *s, pid_t pid, uint64_t time_ns, enum sl_when when)
{
	const int place = id_map_get(&s->of_pid, (uint64_t)(uint32_t)pid) - 1;
	if (place < 0)
		return;
	struct image *i = s->live.items[place];
	i->when = when;
	i->end_ns = time_ns;
	vec_foreach(site, &i->sites)
		settle_both(s, i, site);
	s->tree.live -= i->level.live;
	blocks_done(&i->blocks);
	/* It is one of two lists, whatever memory there is. */
	if (vec_push(&s->ended, i) < 0)
		image_free(i);
	struct image *last = s->live.items[--s->live.n];
	(void)id_map_set(&s->of_pid, (uint64_t)(uint32_t)pid, 0);
	if ((size_t)place == s->live.n)
		return;
	s->live.items[place] = last;
	(void)id_map_set(&s->of_pid, (uint64_t)(uint32_t)last->owner.pid, place + 1);
}

/* ---- telling ---- */

static uint64_t rounded(double value)
{
	return value <= 0 ? 0 : value >= (double)INT64_MAX ? INT64_MAX : (uint64_t)llround(value);
}

static struct sl_site_sum told(const struct sum *sum)
{
	return (struct sl_site_sum){
		.blocks = rounded(sum->blocks),
		.bytes = rounded(sum->bytes),
		.error_bytes = rounded(sqrt(fmax(sum->variance, 0))),
		.samples = sum->samples,
	};
}

/* What an image that has ended had when the tree had most it noted then, if that is the last peak; if there
 * was another since, it was not there. */
static int tell_image(const struct sites *s, struct image *i, bool is_live, enum sl_when when,
		      uint64_t time_ns, struct sink sink)
{
	int r = 0;
	for (size_t k = 0; k < i->sites.n && r >= 0; k++) {
		struct site *site = &i->sites.items[k];
		const bool was_there = is_live || site->of_tree.peak == s->tree.peak;
		static const struct sum none = { 0 };
		settle_image(i, site);
		if (is_live)
			settle(&site->of_tree, &site->live, &s->tree);
		const struct sl_site e = {
			.event = { .size = sizeof(e),
				   .kind = SL_KIND_SITE,
				   .flags = SL_SOURCE_COLLECT | i->owner.flags,
				   .time_ns = time_ns,
				   .pid = i->owner.told_pid },
			.when = when,
			.stack = site->stack,
			.since_ns = i->since_ns,
			.lifetime_ns = rounded(site->lifetime_ns),
			.peak_bytes = i->is_told ? rounded(i->level.most) : 0,
			.sums = { [SL_SITE_TOTAL] = told(&site->total),
				  [SL_SITE_LIVE] = told(&site->live),
				  [SL_SITE_PEAK] = told(&site->of_image.sum),
				  [SL_SITE_TREE_PEAK] =
					  told(was_there ? &site->of_tree.sum : &none),
				  [SL_SITE_TEMPORARY] = told(&site->temporary) },
		};
		r = sink.event(sink.data, &e.event);
	}
	return r;
}

int sites_tell_ready(struct sites *s, uint64_t time_ns, struct sink sink)
{
	int r = 0;
	for (size_t k = 0; k < s->live.n && r >= 0; k++)
		r = tell_image(s, s->live.items[k], true, SL_WHEN_READY, time_ns, sink);
	return r;
}

int sites_tell_end(struct sites *s, uint64_t time_ns, struct sink sink)
{
	int r = 0;
	for (size_t k = 0; k < s->live.n && r >= 0; k++)
		r = tell_image(s, s->live.items[k], true, SL_WHEN_EXIT, time_ns, sink);
	for (size_t k = 0; k < s->ended.n && r >= 0; k++) {
		struct image *i = s->ended.items[k];
		r = tell_image(s, i, false, i->when, i->end_ns, sink);
	}
	forget(s);
	return r;
}
