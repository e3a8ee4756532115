/* SPDX-License-Identifier: MIT */
/* What `go test -bench` prints (golang.org/design/14313-benchmark-format): configuration lines
 * "key: value", result lines "BenchmarkName-8 N value unit value unit ...", and "Unit" lines with
 * what is known of a unit. All other lines are somebody's output. */

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/foreign/internal.h"

#define MAX_FIELDS 256
#define MAX_UNITS  64
#define BENCHMARK  "Benchmark"

struct line {
	struct buf text; /* fields end with a NUL */
	char *fields[MAX_FIELDS + 1];
	size_t n;
	bool is_cut; /* there are more fields */
};

struct unit_facts {
	const char *name;
	bool is_exact, has_better;
	enum better better;
};

struct reading {
	struct gathering *g;
	const char *package; /* NULL: none */
	struct unit_facts units[MAX_UNITS];
	size_t n_units;
	struct line line;
	size_t number;
};

static void split(struct line *line, const char *text, size_t length)
{
	buf_clear(&line->text);
	line->n = 0;
	line->is_cut = length > FOREIGN_MAX_LINE;
	if (length == 0 || buf_add(&line->text, text, line->is_cut ? FOREIGN_MAX_LINE : length) < 0)
		return;
	line->n = foreign_words(line->text.data, line->fields, MAX_FIELDS + 1);
	line->is_cut |= line->n > MAX_FIELDS;
}

/* --- what a line is ------------------------------------------------------------------------- */

/* "Benchmark", or that and anything but a lower-case letter. */
bool go_is_benchmark(const char *field)
{
	const size_t n = sizeof(BENCHMARK) - 1;
	return strncmp(field, BENCHMARK, n) == 0 && !islower((unsigned char)field[n]);
}

static bool is_result(const struct line *line)
{
	uint64_t iterations = 0;
	return line->n >= 3 && go_is_benchmark(line->fields[0]) &&
	       parse_u64(line->fields[1], &iterations) == 0;
}

bool go_sniff(const char *text, size_t length)
{
	struct line line = { .n = 0 };
	const char *begin = NULL;
	size_t n = 0;
	const char *at = text, *end = text + length;
	bool is_it = false;
	buf_init(&line.text, FOREIGN_MAX_LINE);
	while (!is_it && foreign_line(&at, end, &begin, &n)) {
		if (n < sizeof(BENCHMARK) || memcmp(begin, BENCHMARK, sizeof(BENCHMARK) - 1) != 0)
			continue;
		split(&line, begin, n);
		is_it = is_result(&line) && line.n >= 4;
	}
	buf_done(&line.text);
	return is_it;
}

/* --- units ---------------------------------------------------------------------------------- */

static struct unit_facts *facts_of(struct reading *r, const char *name)
{
	for (size_t i = 0; i < r->n_units; i++) {
		if (strcmp(r->units[i].name, name) == 0)
			return &r->units[i];
	}
	return NULL;
}

/* "Unit allocs/op assume=exact better=lower" */
static void read_unit_line(struct reading *r)
{
	const struct line *line = &r->line;
	struct unit_facts *facts = line->n >= 2 ? facts_of(r, line->fields[1]) : NULL;
	if (line->n < 3)
		return;
	if (facts == NULL) {
		const char *name = gather_text(r->g, line->fields[1]);
		if (name == NULL || r->n_units == MAX_UNITS)
			return;
		facts = &r->units[r->n_units++];
		*facts = (struct unit_facts){ .name = name };
	}
	for (size_t i = 2; i < line->n; i++) {
		const char *fact = line->fields[i];
		if (strcmp(fact, "assume=exact") == 0)
			facts->is_exact = true;
		if (strcmp(fact, "better=lower") != 0 && strcmp(fact, "better=higher") != 0)
			continue;
		facts->has_better = true;
		facts->better = fact[7] == 'l' ? BETTER_LOWER : BETTER_HIGHER;
	}
}

/* The words of the testing package; others keep theirs. */
static const char *id_of(struct gathering *g, const char *unit, const char *name)
{
	static const char *const words[][2] = {
		{ "ns/op", "bench" },
		{ "sec/op", "bench" },
		{ "B/op", "bench.bytes" },
		{ "allocs/op", "bench.allocs" },
		{ "MB/s", "bench.bytes_per_second" },
		{ "B/s", "bench.bytes_per_second" },
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(words[i][0], unit) == 0)
			return gather_id(g, words[i][1], name);
	}
	return gather_id_below(g, "bench", unit, name);
}

/* Units of ReportMetric are often words that end in one: "p99-ns", "peak-RSS-bytes". */
static struct foreign_unit unit_of_words(const char *unit)
{
	const struct foreign_unit whole = foreign_unit(unit);
	const char *dash = strrchr(unit, '-');
	if (whole.like.unit != UNIT_COUNT || dash == NULL)
		return whole;
	return foreign_unit(dash + 1);
}

static void add_value(struct reading *r, const char *name, const char *unit, double value)
{
	const struct unit_facts *facts = facts_of(r, unit);
	struct foreign_unit u = unit_of_words(unit);
	if (facts != NULL && facts->is_exact)
		u.like.class = CLASS_EXACT;
	if (facts != NULL && facts->has_better)
		u.like.better = facts->better;
	gather_value(r->g, id_of(r->g, unit, name), &u.like, value * u.scale);
}

/* --- lines ---------------------------------------------------------------------------------- */

static void read_result(struct reading *r)
{
	_cleanup_(buf_done) struct buf name = { .limit = FOREIGN_MAX_NAME };
	const struct line *line = &r->line;
	const char *rest = line->fields[0] + sizeof(BENCHMARK) - 1;
	if (r->package != NULL)
		(void)buf_addf(&name, "%s.", r->package);
	(void)buf_adds(&name, rest[0] != '\0' ? rest : BENCHMARK);
	if (line->n % 2 != 0 || line->is_cut)
		gather_fail(r->g, "line %zu: expected pairs of value and unit", r->number);
	for (size_t i = 2; i + 1 < line->n && r->g->error == 0; i += 2) {
		double value = NAN;
		if (parse_double(line->fields[i], &value) < 0 &&
		    strcasecmp(line->fields[i], "nan") != 0 &&
		    strcasecmp(line->fields[i], "+inf") != 0)
			gather_fail(r->g, "line %zu: '%.40s' is not a number", r->number,
				    line->fields[i]);
		else
			add_value(r, gather_name(r->g, &name), line->fields[i + 1], value);
	}
}

/* "key: value": the key has no upper-case letter and no blank; no value unsets it. */
static void read_configuration(struct reading *r, const char *text, size_t length)
{
	const char *colon = memchr(text, ':', length);
	if (colon == NULL || !islower((unsigned char)text[0]))
		return;
	const size_t n = (size_t)(colon - text);
	const char *value = colon + 1;
	size_t n_value = length - n - 1;
	while (n_value > 0 && isspace((unsigned char)*value)) {
		value++;
		n_value--;
	}
	while (n_value > 0 && isspace((unsigned char)value[n_value - 1]))
		n_value--;
	const bool is_package = n == 3 && memcmp(text, "pkg", 3) == 0;
	const bool is_cpu = n == 3 && memcmp(text, "cpu", 3) == 0;
	if (!is_package && !is_cpu)
		return;
	const char *copy = gather_textn(r->g, value, n_value);
	if (is_package)
		r->package = copy;
	else
		r->g->session->host.cpu = copy;
}

static void read_line(struct reading *r, const char *text, size_t length)
{
	split(&r->line, text, length);
	if (r->line.n == 0)
		return;
	if (is_result(&r->line))
		read_result(r);
	else if (strcmp(r->line.fields[0], "Unit") == 0)
		read_unit_line(r);
	else
		read_configuration(r, text, length);
}

void go_read_output(struct gathering *g, const char *package, const char *text, size_t length)
{
	_cleanup_free_ struct reading *r = calloc(1, sizeof(*r));
	const char *at = text, *end = text + length, *begin = NULL;
	size_t n = 0;
	if (r == NULL) {
		gather_no_memory(g);
		return;
	}
	r->g = g;
	r->package = package;
	buf_init(&r->line.text, FOREIGN_MAX_LINE);
	while (r->g->error == 0 && foreign_line(&at, end, &begin, &n)) {
		r->number++;
		read_line(r, begin, n);
	}
	buf_done(&r->line.text);
}

void go_read(struct gathering *g, const char *text, size_t length)
{
	gather_note(g, "results of go test -bench");
	go_read_output(g, NULL, text, length);
}
