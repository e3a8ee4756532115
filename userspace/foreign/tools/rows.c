/* SPDX-License-Identifier: MIT */
/* The generic forms, for what no reader knows: rows of name, value, unit as CSV or as JSON. The name
 * is the metric's id. Rows of one name are its samples. The unit may be left out, and better
 * (lower, higher, neither) and class (time, size, exact, ratio) may be given. */

#include <math.h>
#include <string.h>
#include <strings.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/foreign/forms/csv.h"
#include "userspace/foreign/internal.h"

struct row {
	const char *name, *unit, *better, *class; /* NULL: not given */
};

/* What the row says of the metric; false, with the error set: a word that means nothing. */
static bool row_unit(struct gathering *g, const char *place, const struct row *row,
		     struct foreign_unit *ret)
{
	const struct metric *known = metrics_row(row->name);
	const bool has_unit = row->unit != NULL && row->unit[0] != '\0';
	*ret = foreign_unit(has_unit ? row->unit : "");
	if (!has_unit && known != NULL)
		*ret = (struct foreign_unit){ .like = *known, .scale = 1 };
	if (row->better != NULL && row->better[0] != '\0') {
		const int better = better_of(row->better);
		if (better < 0)
			gather_fail(g, "%s: better is lower, higher or neither", place);
		else
			ret->like.better = (enum better)better;
	}
	if (row->class != NULL && row->class[0] != '\0') {
		const int class = metric_class_of(row->class);
		if (class < 0)
			gather_fail(g, "%s: class is time, size, exact or ratio", place);
		else
			ret->like.class = (enum metric_class) class;
	}
	return g->error == 0;
}

static void add_row(struct gathering *g, const char *place, const struct row *row, double value)
{
	struct foreign_unit unit;
	if (row->name == NULL || row->name[0] == '\0')
		gather_fail(g, "%s: it has no name", place);
	else if (row_unit(g, place, row, &unit))
		gather_value(g, gather_id(g, row->name, NULL), &unit.like, value * unit.scale);
}

/* --- CSV --------------------------------------------------------------------------------------- */

static const char *const titles[] = { "name", "value", NULL };

bool rows_csv_sniff(const char *text, size_t length)
{
	return csv_sniff(text, length, titles);
}

static void read_csv(struct gathering *g, struct csv *c)
{
	const int name = csv_column(c, "name"), value = csv_column(c, "value");
	const int unit = csv_column(c, "unit"), better = csv_column(c, "better");
	const int class = csv_column(c, "class");
	char place[32];
	while (g->error == 0 && csv_next(c)) {
		const char *number = csv_field(c, value);
		double v = NAN;
		if (csv_is_empty(c))
			continue;
		(void)snprintf(place, sizeof(place), "line %zu", c->line);
		if (number == NULL)
			gather_fail(g, "%s: it has no value", place);
		else if (number[0] != '\0' && strcasecmp(number, "nan") != 0 &&
			 parse_double(number, &v) < 0)
			gather_fail(g, "%s: '%.40s' is not a number", place, number);
		const struct row row = { csv_field(c, name), csv_field(c, unit),
					 csv_field(c, better), csv_field(c, class) };
		add_row(g, place, &row, v);
	}
	if (c->error != NULL)
		gather_fail(g, "line %zu: %s", c->line, c->error);
}

void rows_csv_read(struct gathering *g, const char *text, size_t length)
{
	_cleanup_(csv_done) struct csv c;
	if (!csv_begin(&c, text, length, titles))
		gather_fail(g, "%s",
			    c.error != NULL ? c.error
					    : "line 1: it names no columns name and value");
	else
		read_csv(g, &c);
}

/* --- JSON: an array of objects, or one object a line ------------------------------------------ */

bool rows_json_sniff(const char *text, size_t length)
{
	if (foreign_first_byte(text, length) == '{')
		return foreign_json_sniff(text, length, "name", '"') &&
		       (foreign_json_sniff(text, length, "value", '\0') ||
			foreign_json_sniff(text, length, "values", '['));
	return foreign_first_byte(text, length) == '[' && foreign_holds(text, length, "\"name\"") &&
	       foreign_holds(text, length, "\"value");
}

static void add_number(struct gathering *g, const char *place, const struct row *row,
		       const cJSON *value)
{
	if (cJSON_IsNumber(value) || cJSON_IsNull(value))
		add_row(g, place, row, cJSON_IsNumber(value) ? value->valuedouble : (double)NAN);
	else
		gather_fail(g, "%s: its value is not a number", place);
}

static void add_object(struct gathering *g, const char *place, const cJSON *object)
{
	const struct row row = { foreign_json_text(object, "name"),
				 foreign_json_text(object, "unit"),
				 foreign_json_text(object, "better"),
				 foreign_json_text(object, "class") };
	const cJSON *values = foreign_json_get(object, "values");
	const cJSON *value = foreign_json_get(object, "value");
	if (cJSON_IsArray(values)) {
		cJSON_ArrayForEach(value, values) add_number(g, place, &row, value);
	} else if (value != NULL) {
		add_number(g, place, &row, value);
	} else {
		gather_fail(g, "%s: expected an object with name and value", place);
	}
}

static void read_array(struct gathering *g, const cJSON *json)
{
	char place[32];
	size_t index = 0;
	const cJSON *object = NULL;
	cJSON_ArrayForEach(object, json)
	{
		(void)snprintf(place, sizeof(place), "[%zu]", index++);
		add_object(g, place, object);
	}
}

static void read_line(struct gathering *g, const char *line, size_t length, size_t number)
{
	_cleanup_(foreign_json_free) cJSON *json = NULL;
	struct json_error error;
	char place[32];
	if (foreign_first_byte(line, length) == '\0')
		return;
	(void)snprintf(place, sizeof(place), "line %zu", number);
	json = json_parse(line, length, &error);
	if (json == NULL)
		gather_fail(g, "%s: %s", place, error.what);
	else
		add_object(g, place, json);
}

static void read_lines(struct gathering *g, const char *text, size_t length)
{
	const char *at = text, *line = NULL;
	size_t n = 0;
	for (size_t number = 1; g->error == 0 && foreign_line(&at, text + length, &line, &n);
	     number++)
		read_line(g, line, n, number);
}

void rows_json_read(struct gathering *g, const char *text, size_t length)
{
	_cleanup_(foreign_json_free) cJSON *json = NULL;
	struct json_error error;
	if (foreign_first_byte(text, length) == '[') {
		json = foreign_json_parse(g, text, length);
		if (json != NULL)
			read_array(g, json);
		return;
	}
	/* One object over several lines is no line of its own. */
	json = json_parse(text, length, &error);
	if (json != NULL)
		add_object(g, "it", json);
	else
		read_lines(g, text, length);
}
