/* SPDX-License-Identifier: MIT */
/* Values in the unit that the metric has; a low end without a unit takes that of the high end. */

#include "userspace/cmd/baseline_value.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/model/metrics.h"

#define VALUE_MAX 256

/* Of an id that is not in the table: what its value looks like. */
static struct metric metric_like(const char *value)
{
	struct metric like = { .better = BETTER_LOWER, .class = CLASS_SIZE, .unit = UNIT_COUNT };
	double number = 0;
	uint64_t whole = 0;
	if (parse_double(value, &number) == 0)
		return like;
	like.unit = UNIT_BYTES;
	if (parse_duration(value, &whole) == 0) {
		like.unit = UNIT_NS;
		like.class = CLASS_TIME;
	}
	return like;
}

static int wrong(const char *text)
{
	return fail(
		-EINVAL,
		"--value '%s': METRIC=VALUE or METRIC=LOW..HIGH, such as time.wall=120..300s, in "
		"the metric's unit",
		text);
}

static int add_range(struct session *s, const char *id, const struct metric *like, double low,
		     double high)
{
	struct summary sum;
	summary_of(NULL, 0, &sum);
	sum.min = low;
	sum.max = high;
	sum.median = sum.mean = low + (high - low) / 2;
	return session_add_summary(s, id, like, &sum);
}

/* "120" with the unit of "300s". */
static int parse_low(const char *low, const char *high, enum unit unit, double *ret)
{
	double number;
	/* "1e3" is no 1 with the unit "e3". */
	if (parse_double(high, &number) == 0)
		return value_parse(low, unit, ret);
	if (strpbrk(low, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%") != NULL)
		return value_parse(low, unit, ret);
	_cleanup_(buf_done) struct buf whole;
	buf_init(&whole, VALUE_MAX);
	(void)buf_addf(&whole, "%s%s", low, high + strspn(high, "0123456789.+-"));
	return whole.error < 0 ? whole.error : value_parse(buf_str(&whole), unit, ret);
}

int baseline_value_add(struct session *s, const char *text)
{
	const char *equals = strrchr(text, '=');
	if (equals == NULL || equals == text || strlen(text) >= VALUE_MAX)
		return wrong(text);
	char id[VALUE_MAX], low_text[VALUE_MAX];
	memcpy(id, text, (size_t)(equals - text));
	id[equals - text] = '\0';
	const char *value = equals + 1, *dots = strstr(value, "..");
	const char *high_text = dots != NULL ? dots + 2 : value;
	const struct metric *known = metrics_row(id);
	const struct metric like = known != NULL ? *known : metric_like(high_text);
	double low = NAN, high = NAN;
	int r = value_parse(high_text, like.unit, &high);
	if (r == 0 && dots != NULL) {
		memcpy(low_text, value, (size_t)(dots - value));
		low_text[dots - value] = '\0';
		r = parse_low(low_text, high_text, like.unit, &low);
	}
	if (r < 0 || (dots != NULL && !(low <= high)))
		return wrong(text);
	r = dots != NULL ? add_range(s, id, &like, low, high)
			 : session_add_values(s, id, &like, &high, 1);
	return r < 0 ? fail(r, "not enough memory for --value '%s'", text) : 0;
}
