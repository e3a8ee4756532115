/* SPDX-License-Identifier: MIT */
/* Printing and reading of numbers with units. Each family of units is one table. */

#include "userspace/base/units.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit_name {
	const char *name;
	uint64_t factor;
};

/* Ascending. The first whose rounded value stays below 1000 is used, else the last. */
static const struct unit_name time_units[] = {
	{ "ns", 1 }, { "us", NS_PER_US }, { "ms", NS_PER_MS }, { "s", NS_PER_S }, { NULL, 0 },
};

static const struct unit_name byte_units[] = {
	{ "B", 1 },
	{ "kB", 1000ull },
	{ "MB", 1000000ull },
	{ "GB", 1000000000ull },
	{ "TB", 1000000000000ull },
	{ NULL, 0 },
};

static const struct unit_name duration_names[] = {
	{ "", NS_PER_S },
	{ "ns", 1 },
	{ "us", NS_PER_US },
	{ "ms", NS_PER_MS },
	{ "s", NS_PER_S },
	{ "sec", NS_PER_S },
	{ "second", NS_PER_S },
	{ "seconds", NS_PER_S },
	{ "m", 60 * NS_PER_S },
	{ "min", 60 * NS_PER_S },
	{ "minute", 60 * NS_PER_S },
	{ "minutes", 60 * NS_PER_S },
	{ "h", 3600 * NS_PER_S },
	{ "hour", 3600 * NS_PER_S },
	{ "hours", 3600 * NS_PER_S },
	{ "d", 86400 * NS_PER_S },
	{ "day", 86400 * NS_PER_S },
	{ "days", 86400 * NS_PER_S },
	{ NULL, 0 },
};

static const struct unit_name size_names[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "k", 1ull << 10 },
	{ "K", 1ull << 10 },
	{ "M", 1ull << 20 },
	{ "G", 1ull << 30 },
	{ "T", 1ull << 40 },
	{ "kB", 1000ull },
	{ "KB", 1000ull },
	{ "MB", 1000000ull },
	{ "GB", 1000000000ull },
	{ "TB", 1000000000000ull },
	{ "KiB", 1ull << 10 },
	{ "MiB", 1ull << 20 },
	{ "GiB", 1ull << 30 },
	{ "TiB", 1ull << 40 },
	{ NULL, 0 },
};

static char *format_missing(char *text)
{
	(void)snprintf(text, UNITS_BYTES, "-");
	return text;
}

/* Decimals that give three significant digits: 1.40, 14.2, 456. */
static int decimals_for_three_digits(double value)
{
	/* The limits are where rounding would add a digit: 9.995 prints as 10.0, not 10.00. */
	if (value < 9.995)
		return 2;
	return value < 99.95 ? 1 : 0;
}

/* Nanoseconds are measured whole; those of a benchmark are a time by a million calls. */
static int decimals_for_ns(double ns)
{
	return ns == nearbyint(ns) ? 0 : decimals_for_three_digits(ns);
}

static int decimals_for_one(double n_bytes)
{
	(void)n_bytes;
	return 0;
}

static int decimals_for_bytes(double value)
{
	return value < 99.95 ? 1 : 0;
}

/* @decimals_of_one: of a value in the smallest unit. */
static char *format_scaled(char *text, double value, const struct unit_name *units,
			   int (*decimals_of_one)(double), int (*decimals)(double))
{
	if (!isfinite(value))
		return format_missing(text);
	const double size = fabs(value);
	const struct unit_name *unit = units;
	while (unit[1].name != NULL && size / (double)unit->factor >= 999.5)
		unit++;

	const double scaled = size / (double)unit->factor;
	const int n_decimals = unit == units ? decimals_of_one(scaled) : decimals(scaled);
	/* What rounds to nothing has no sign. */
	const double least = n_decimals == 2 ? 0.005 : 0.5;
	const char *sign = value < 0 && scaled >= least ? "-" : "";
	/* %.4g keeps an absurd value, 1e300 s, inside the buffer. */
	if (scaled < 1e15)
		(void)snprintf(text, UNITS_BYTES, "%s%.*f %s", sign, n_decimals, scaled,
			       unit->name);
	else
		(void)snprintf(text, UNITS_BYTES, "%s%.4g %s", sign, scaled, unit->name);
	return text;
}

char *format_ns(char text[static UNITS_BYTES], double ns)
{
	return format_scaled(text, ns, time_units, decimals_for_ns, decimals_for_three_digits);
}

static int decimals_for_two_digits(double value)
{
	return value < 9.95 ? 1 : 0;
}

char *format_ns_short(char text[static UNITS_BYTES], double ns)
{
	return format_scaled(text, ns, time_units, decimals_for_ns, decimals_for_two_digits);
}

char *format_bytes(char text[static UNITS_BYTES], double n_bytes)
{
	return format_scaled(text, n_bytes, byte_units, decimals_for_one, decimals_for_bytes);
}

char *format_count(char text[static UNITS_BYTES], double count)
{
	if (!isfinite(count))
		return format_missing(text);
	if (fabs(count) >= 1e15)
		(void)snprintf(text, UNITS_BYTES, "%.6g", count);
	else if (fabs(count - nearbyint(count)) <=
		 1e-9 * fabs(count)) /* as far as it was rounded */
		(void)snprintf(text, UNITS_BYTES, "%.0f", count);
	else if (fabs(count) < 1)
		(void)snprintf(text, UNITS_BYTES, "%.3g", count);
	else
		(void)snprintf(text, UNITS_BYTES, "%.1f", count);
	return text;
}

static char *format_percent_with(char *text, double ratio, const char *plus)
{
	if (!isfinite(ratio))
		return format_missing(text);
	const double percent = fabs(ratio) * 100;
	const int n_decimals = percent < 99.95 ? 1 : 0;
	const char *sign = ratio < 0 ? "-" : plus;
	if (percent < 0.05)
		sign = ""; /* neither "-0.0 %" nor "+0.0 %" says anything */
	if (percent < 1e15)
		(void)snprintf(text, UNITS_BYTES, "%s%.*f %%", sign, n_decimals, percent);
	else
		(void)snprintf(text, UNITS_BYTES, "%s%.4g %%", sign, percent);
	return text;
}

char *format_percent(char text[static UNITS_BYTES], double ratio)
{
	return format_percent_with(text, ratio, "");
}

char *format_percent_signed(char text[static UNITS_BYTES], double ratio)
{
	return format_percent_with(text, ratio, "+");
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits from *s on and moves it past them. -EINVAL when there is none. */
static int scan_u64(const char **s, uint64_t *ret)
{
	if (!is_digit(**s))
		return -EINVAL;
	uint64_t value = 0;
	int rc = 0;
	for (; is_digit(**s); (*s)++) {
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(**s - '0'), &value))
			rc = -ERANGE;
	}
	if (rc == 0)
		*ret = value;
	return rc;
}

int parse_u64(const char *s, uint64_t *ret)
{
	uint64_t value = 0;
	const int rc = scan_u64(&s, &value);
	if (*s != '\0')
		return -EINVAL;
	if (rc == 0)
		*ret = value;
	return rc;
}

int parse_i64(const char *s, int64_t *ret)
{
	const bool is_negative = *s == '-';
	uint64_t size = 0;
	const int rc = parse_u64(is_negative ? s + 1 : s, &size);
	if (rc < 0)
		return rc;
	if (size > (uint64_t)INT64_MAX + (is_negative ? 1 : 0))
		return -ERANGE;
	/* Negated as unsigned: -INT64_MIN does not exist. */
	*ret = (int64_t)(is_negative ? 0 - size : size);
	return 0;
}

int parse_double(const char *s, double *ret)
{
	/* strtod also takes blanks, hexadecimal, inf and nan. */
	if (*s == '\0' || strspn(s, "+-.0123456789eE") != strlen(s))
		return -EINVAL;
	char *end = NULL;
	const double value = strtod(s, &end);
	if (*end != '\0')
		return -EINVAL;
	if (!isfinite(value))
		return -ERANGE;
	*ret = value;
	return 0;
}

/* The digits after the point, as a number in [0, 1). Moves *s past them. */
static double scan_fraction(const char **s)
{
	double fraction = 0;
	double weight = 0.1;
	for (; is_digit(**s); (*s)++) {
		fraction += weight * (**s - '0');
		weight /= 10;
	}
	return fraction;
}

static int parse_with_unit(const char *s, const struct unit_name *units, uint64_t *ret)
{
	uint64_t whole = 0;
	const int rc = scan_u64(&s, &whole);
	if (rc == -EINVAL)
		return rc;
	double fraction = 0;
	if (*s == '.') {
		s++;
		if (!is_digit(*s))
			return -EINVAL;
		fraction = scan_fraction(&s);
	}
	if (*s == ' ' && s[1] != '\0')
		s++;

	while (units->name != NULL && strcmp(units->name, s) != 0)
		units++;
	if (units->name == NULL)
		return -EINVAL;
	if (rc < 0)
		return rc;

	/* The whole part stays in integers, so that 2^53 is no limit. */
	uint64_t value = 0;
	const uint64_t rest = (uint64_t)llround(fraction * (double)units->factor);
	if (__builtin_mul_overflow(whole, units->factor, &value) ||
	    __builtin_add_overflow(value, rest, &value))
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_duration(const char *s, uint64_t *ret_ns)
{
	return parse_with_unit(s, duration_names, ret_ns);
}

int parse_bytes(const char *s, uint64_t *ret_bytes)
{
	return parse_with_unit(s, size_names, ret_bytes);
}

int parse_rate(const char *s, int max, int *ret_hz)
{
	const bool is_off = strcmp(s, "off") == 0;
	uint64_t hz = 0;
	if (is_off || strcmp(s, "auto") == 0) {
		*ret_hz = is_off ? -1 : 0;
		return 0;
	}
	const int r = parse_u64(s, &hz);
	if (r < 0)
		return r;
	if (hz == 0 || hz > (uint64_t)max)
		return -ERANGE;
	*ret_hz = (int)hz;
	return 0;
}
