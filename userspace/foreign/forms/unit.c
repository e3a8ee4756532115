/* SPDX-License-Identifier: MIT */
/* The units that other tools write. */

#include <string.h>

#include "userspace/foreign/internal.h"

struct row {
	const char *name;
	enum unit unit;
	double scale;
};

/* clang-format off */
static const struct row rows[] = {
	{ "ns", UNIT_NS, 1 }, { "nsec", UNIT_NS, 1 }, { "nanoseconds", UNIT_NS, 1 },
	{ "us", UNIT_NS, 1e3 }, { "usec", UNIT_NS, 1e3 }, { "microseconds", UNIT_NS, 1e3 },
	{ "\xc2\xb5s", UNIT_NS, 1e3 }, { "\xce\xbcs", UNIT_NS, 1e3 }, /* both letters mu */
	{ "ms", UNIT_NS, 1e6 }, { "msec", UNIT_NS, 1e6 }, { "milliseconds", UNIT_NS, 1e6 },
	{ "s", UNIT_NS, 1e9 }, { "sec", UNIT_NS, 1e9 }, { "secs", UNIT_NS, 1e9 },
	{ "second", UNIT_NS, 1e9 }, { "seconds", UNIT_NS, 1e9 },
	{ "m", UNIT_NS, 60e9 }, { "min", UNIT_NS, 60e9 }, { "minutes", UNIT_NS, 60e9 }, { "h", UNIT_NS, 3600e9 },
	{ "B", UNIT_BYTES, 1 }, { "byte", UNIT_BYTES, 1 }, { "bytes", UNIT_BYTES, 1 },
	{ "kB", UNIT_BYTES, 1e3 }, { "KB", UNIT_BYTES, 1e3 }, { "MB", UNIT_BYTES, 1e6 },
	{ "GB", UNIT_BYTES, 1e9 }, { "TB", UNIT_BYTES, 1e12 },
	{ "KiB", UNIT_BYTES, 1024 }, { "MiB", UNIT_BYTES, 1048576 },
	{ "GiB", UNIT_BYTES, 1073741824 }, { "TiB", UNIT_BYTES, 1099511627776 },
	{ "%", UNIT_RATIO, 0.01 }, { "percent", UNIT_RATIO, 0.01 }, { "ratio", UNIT_RATIO, 1 },
	{ "count", UNIT_COUNT, 1 },
};
/* clang-format on */

static const char *const per_call[] = { "/op", "/iter", "/iteration", "/call", "/run", "/req" };
static const char *const per_second[] = { "/s", "/sec", "/second" };

/* The length of @text without the suffix, or of all of it. */
static size_t length_without(const char *text, size_t n, const char *const *suffixes,
			     size_t n_suffixes)
{
	for (size_t i = 0; i < n_suffixes; i++) {
		const size_t length = strlen(suffixes[i]);
		if (n > length && memcmp(text + n - length, suffixes[i], length) == 0)
			return n - length;
	}
	return n;
}

static const struct row *find(const char *text, size_t n)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (strlen(rows[i].name) == n && memcmp(rows[i].name, text, n) == 0)
			return &rows[i];
	}
	return NULL;
}

static enum metric_class class_of(enum unit unit)
{
	switch (unit) {
	case UNIT_NS:
		return CLASS_TIME;
	case UNIT_RATIO:
		return CLASS_RATIO;
	case UNIT_BYTES:
	case UNIT_COUNT:
		break;
	}
	return CLASS_SIZE;
}

struct foreign_unit foreign_unit(const char *text)
{
	struct foreign_unit u = {
		.like = { .unit = UNIT_COUNT, .better = BETTER_LOWER, .class = CLASS_SIZE },
		.scale = 1,
	};
	const size_t n = strlen(text);
	size_t n_base =
		length_without(text, n, per_second, sizeof(per_second) / sizeof(*per_second));
	const bool is_rate = n_base < n;
	if (is_rate)
		u.like.better = BETTER_HIGHER;
	else
		n_base = length_without(text, n, per_call, sizeof(per_call) / sizeof(*per_call));
	const struct row *row = find(text, n_base);
	/* Seconds per second are no time. */
	if (row == NULL || (is_rate && row->unit != UNIT_BYTES))
		return u;
	u.like.unit = row->unit;
	u.like.class = class_of(row->unit);
	u.scale = row->scale;
	return u;
}
