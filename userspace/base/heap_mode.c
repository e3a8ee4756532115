/* SPDX-License-Identifier: MIT */
/* See heap_mode.h. */
#include "userspace/base/heap_mode.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/units.h"

static const char sample_prefix[] = "sample=";

int parse_heap_mode(const char *text, struct heap_mode *ret)
{
	static const struct {
		const char *name;
		struct heap_mode mode;
	} words[] = {
		{ "off", { .kind = HEAP_OFF } },
		{ "count", { .kind = HEAP_COUNT } },
		{ "exact", { .kind = HEAP_EXACT, .sample_bytes = HEAP_SAMPLE_BYTES } },
		{ "sample", { .kind = HEAP_SAMPLE, .sample_bytes = HEAP_SAMPLE_BYTES } },
	};
	uint64_t bytes = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(text, words[i].name) != 0)
			continue;
		*ret = words[i].mode;
		return 0;
	}
	if (strncmp(text, sample_prefix, strlen(sample_prefix)) != 0 ||
	    parse_bytes(text + strlen(sample_prefix), &bytes) < 0 ||
	    bytes < HEAP_SAMPLE_BYTES_MIN || bytes > HEAP_SAMPLE_BYTES_MAX)
		return -EINVAL;
	*ret = (struct heap_mode){ .kind = HEAP_SAMPLE, .sample_bytes = bytes };
	return 0;
}

void heap_mode_text(struct heap_mode mode, struct buf *out)
{
	static const char *const names[] = { "off", "count", "sample", "exact" };

	(void)buf_addf(out, "%s", names[mode.kind]);
	if (mode.kind == HEAP_SAMPLE)
		(void)buf_addf(out, "=%llu", (unsigned long long)mode.sample_bytes);
}
