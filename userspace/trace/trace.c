/* SPDX-License-Identifier: MIT */
/* Events in memory: their order and their text. */

#include "userspace/trace/trace.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/trace/internal.h"

/* Below this many, insertion beats merging; recordings are out of order by a few events. */
#define INSERTION_MAX 32

static void sort_by_insertion(const struct sl_event **events, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const struct sl_event *event = events[i];
		size_t at = i;
		while (at > 0 && events[at - 1]->time_ns > event->time_ns) {
			events[at] = events[at - 1];
			at--;
		}
		events[at] = event;
	}
}

/* The first of the sorted @events that is later than @time_ns; with @or_equal, that is not
 * earlier. */
static size_t position_of(const struct sl_event *const *events, size_t n, uint64_t time_ns,
			  bool or_equal)
{
	size_t low = 0;
	size_t high = n;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const uint64_t there_ns = events[middle]->time_ns;
		if (or_equal ? there_ns < time_ns : there_ns <= time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Merges the sorted halves [0, middle) and [middle, n). Only the part where they overlap in time
 * is touched, which is next to nothing in a recording. */
static void merge(const struct sl_event **events, size_t middle, size_t n,
		  const struct sl_event **scratch)
{
	if (events[middle - 1]->time_ns <= events[middle]->time_ns)
		return;
	const size_t begin = position_of(events, middle, events[middle]->time_ns, false);
	const size_t end = middle + position_of(events + middle, n - middle,
						events[middle - 1]->time_ns, true);
	const size_t n_left = middle - begin;
	memcpy(scratch, events + begin, n_left * sizeof(*scratch));

	size_t left = 0;
	size_t right = middle;
	size_t out = begin;
	while (left < n_left) {
		const bool from_right =
			right < end && events[right]->time_ns < scratch[left]->time_ns;
		events[out++] = from_right ? events[right++] : scratch[left++];
	}
}

static void sort_range(const struct sl_event **events, size_t n, const struct sl_event **scratch)
{
	if (n <= INSERTION_MAX) {
		sort_by_insertion(events, n);
		return;
	}
	const size_t middle = n / 2;
	sort_range(events, middle, scratch);
	sort_range(events + middle, n - middle, scratch);
	merge(events, middle, n, scratch);
}

int events_sort(const struct sl_event **events, size_t n_events)
{
	if (n_events < 2)
		return 0;
	/* The left half of a merge is n / 2 at most. */
	const struct sl_event **scratch = calloc(n_events / 2, sizeof(*scratch));
	if (scratch == NULL)
		return -ENOMEM;
	sort_range(events, n_events, scratch);
	free(scratch);
	return 0;
}

size_t event_text_length(const struct sl_event *event, const char *text)
{
	const size_t offset = (size_t)(text - (const char *)event);
	assert(offset >= sizeof(*event));
	return offset < event->size ? strnlen(text, event->size - offset) : 0;
}
