/* SPDX-License-Identifier: MIT */
/* The chart is a grid of cells of two halves, one over the other, so that it has twice as many
 * levels as lines. */

#include "userspace/view/table/chart.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/stats.h"
#include "userspace/base/utf8.h"
#include "userspace/view/table/internal.h"
#include "userspace/view/table/value.h"

#define LINES	    12
#define LABEL_WIDTH 9
#define COLUMNS_MAX 400
#define STEP_MAX    4	 /* columns per point */
#define SHOWN_MAX   4	 /* points of a column that are shown one by one */
#define PADDING	    0.05 /* of the range, above and below */
#define LABEL_EVERY 4	 /* lines */
#define LINE_BYTES  ((size_t)16 << 10)

enum glyph {
	GLYPH_BLANK,
	GLYPH_UPPER,
	GLYPH_LOWER,
	GLYPH_BOTH, /* = UPPER | LOWER */
	GLYPH_LEVEL,
	GLYPH_ABOVE,
	GLYPH_BELOW,
	GLYPH_CHANGE,
	GLYPH_ACCEPTED,
};

static const char *const blocks[] = {
	[GLYPH_BLANK] = " ", [GLYPH_UPPER] = "▀",  [GLYPH_LOWER] = "▄",
	[GLYPH_BOTH] = "█",  [GLYPH_LEVEL] = "─",  [GLYPH_ABOVE] = "↑",
	[GLYPH_BELOW] = "↓", [GLYPH_CHANGE] = "▲", [GLYPH_ACCEPTED] = "△",
};
static const char *const ascii[] = {
	[GLYPH_BLANK] = " ", [GLYPH_UPPER] = "'",  [GLYPH_LOWER] = ".",
	[GLYPH_BOTH] = ":",  [GLYPH_LEVEL] = "-",  [GLYPH_ABOVE] = "^",
	[GLYPH_BELOW] = "v", [GLYPH_CHANGE] = "^", [GLYPH_ACCEPTED] = "o",
};

struct grid {
	const struct chart *chart;
	bool is_utf8;
	size_t n_columns, step; /* columns; of them per point */
	double low, high;	/* of the scale */
	unsigned char cells[LINES][COLUMNS_MAX], marks[COLUMNS_MAX];
};

/* ---- scale ---- */

static void widen(struct grid *g, double value)
{
	if (!isfinite(value))
		return;
	g->low = fmin(g->low, value);
	g->high = fmax(g->high, value);
}

/* False: there is nothing to show. */
static bool find_range(struct grid *g)
{
	const struct chart *c = g->chart;
	g->low = INFINITY;
	g->high = -INFINITY;
	for (size_t i = 0; i < c->n; i++) {
		widen(g, c->points[i].level);
		if (!c->points[i].is_spike)
			widen(g, c->points[i].value);
	}
	for (size_t i = 0; g->low > g->high && i < c->n; i++)
		widen(g, c->points[i].value);
	if (!isfinite(g->low) || !isfinite(g->high))
		return false;
	double pad = PADDING * (g->high - g->low);
	if (!(pad > 0))
		pad = g->high != 0 ? fabs(g->high) * PADDING : 1;
	g->low = g->chart->is_from_zero ? 0 : g->low - pad;
	g->high += pad;
	return true;
}

/* Half lines from the top; those outside the scale are at its edges. */
static int half_of(const struct grid *g, double value)
{
	const double share = (g->high - value) / (g->high - g->low);
	const int half = (int)floor(fmin(fmax(share, 0), 1) * 2 * LINES);
	return half < 2 * LINES ? half : 2 * LINES - 1;
}

/* ---- columns ---- */

static void draw_value(struct grid *g, size_t column, double from, double to)
{
	const int first = half_of(g, to), last = half_of(g, from);
	for (int half = first; half <= last; half++) {
		unsigned char *cell = &g->cells[half / 2][column];
		if (*cell > GLYPH_BOTH)
			*cell = GLYPH_BLANK; /* a level, or a spike that others hide */
		*cell |= half % 2 == 0 ? GLYPH_UPPER : GLYPH_LOWER;
	}
	if (to > g->high)
		g->cells[0][column] = GLYPH_ABOVE;
	if (from < g->low)
		g->cells[LINES - 1][column] = GLYPH_BELOW;
}

static void draw_level(struct grid *g, size_t column, double level)
{
	if (isnan(level))
		return;
	unsigned char *cell = &g->cells[half_of(g, level) / 2][column];
	if (*cell == GLYPH_BLANK)
		*cell = GLYPH_LEVEL;
}

static void draw_mark(struct grid *g, size_t column, enum chart_mark mark)
{
	if (mark == MARK_CHANGE)
		g->marks[column] = GLYPH_CHANGE;
	else if (mark == MARK_ACCEPTED && g->marks[column] == GLYPH_BLANK)
		g->marks[column] = GLYPH_ACCEPTED;
}

/* Points [from, to) into one column. */
static void draw_points(struct grid *g, size_t column, size_t from, size_t to, double *scratch)
{
	const struct chart_point *points = g->chart->points;
	size_t n = 0;
	for (size_t i = from; i < to; i++) {
		draw_mark(g, column, points[i].mark);
		scratch[n++] = points[i].value;
	}
	n = stats_drop_missing(scratch, n);
	for (size_t i = 0; n <= SHOWN_MAX && i < n; i++)
		draw_value(g, column, scratch[i], scratch[i]);
	if (n > SHOWN_MAX)
		draw_value(g, column, stats_quantile(scratch, n, 0.25),
			   stats_quantile(scratch, n, 0.75));
	draw_level(g, column, points[from + (to - from) / 2].level);
}

static int draw(struct grid *g)
{
	const size_t n = g->chart->n;
	_cleanup_free_ double *scratch = malloc((n + 1) * sizeof(*scratch));
	if (scratch == NULL)
		return -ENOMEM;
	if (n * g->step == g->n_columns) {
		for (size_t i = 0; i < n; i++) {
			draw_points(g, i * g->step, i, i + 1, scratch);
			for (size_t j = 1; j < g->step; j++)
				draw_level(g, i * g->step + j, g->chart->points[i].level);
		}
		return 0;
	}
	for (size_t i = 0; i < g->n_columns; i++)
		draw_points(g, i, i * n / g->n_columns, (i + 1) * n / g->n_columns, scratch);
	return 0;
}

/* ---- lines ---- */

static int put_line(struct buf *line, FILE *f)
{
	while (line->len > 0 && line->data[line->len - 1] == ' ')
		buf_truncate(line, line->len - 1);
	if (line->error < 0)
		return line->error;
	(void)fprintf(f, "%s\n", buf_str(line));
	buf_clear(line);
	return 0;
}

static void add_label(const struct grid *g, struct buf *line, size_t i)
{
	char text[UNITS_BYTES] = "";
	const bool has_label = i % LABEL_EVERY == 0 || i == LINES - 1;
	const double middle = ((double)i + 0.5) / LINES;
	if (has_label)
		(void)value_format(text, g->chart->unit, g->high - middle * (g->high - g->low));
	const char *edge = !g->is_utf8 ? (has_label ? " +" : " |") : has_label ? " ┤" : " │";
	(void)buf_addf(line, "%*s%s", LABEL_WIDTH, text, edge);
}

static void add_cells(const struct grid *g, struct buf *line, const unsigned char *cells)
{
	for (size_t i = 0; i < g->n_columns; i++)
		(void)buf_adds(line, g->is_utf8 ? blocks[cells[i]] : ascii[cells[i]]);
}

static void add_axis(const struct grid *g, struct buf *line)
{
	(void)buf_pad(line, ' ', LABEL_WIDTH);
	(void)buf_adds(line, g->is_utf8 ? " └" : " +");
	for (size_t i = 0; i < g->n_columns; i++)
		(void)buf_adds(line, g->is_utf8 ? "─" : "-");
}

static void add_ends(const struct grid *g, struct buf *line)
{
	const char *first = g->chart->first, *last = g->chart->last;
	const size_t n_first = strlen(first), n_last = strlen(last);
	(void)buf_pad(line, ' ', LABEL_WIDTH + 2);
	(void)buf_adds(line, first);
	if (g->chart->n < 2 || strcmp(first, last) == 0)
		return;
	const size_t gap =
		n_first + n_last + 2 < g->n_columns ? g->n_columns - n_first - n_last : 2;
	(void)buf_pad(line, ' ', gap);
	(void)buf_adds(line, last);
}

static bool has_marks(const struct grid *g)
{
	for (size_t i = 0; i < g->n_columns; i++) {
		if (g->marks[i] != GLYPH_BLANK)
			return true;
	}
	return false;
}

static int print_grid(const struct grid *g, FILE *f)
{
	_cleanup_(buf_done) struct buf line = { .limit = LINE_BYTES };
	int r = 0;
	for (size_t i = 0; r == 0 && i < LINES; i++) {
		add_label(g, &line, i);
		add_cells(g, &line, g->cells[i]);
		r = put_line(&line, f);
	}
	add_axis(g, &line);
	r = r == 0 ? put_line(&line, f) : r;
	if (has_marks(g)) {
		(void)buf_pad(&line, ' ', LABEL_WIDTH + 2);
		add_cells(g, &line, g->marks);
		r = r == 0 ? put_line(&line, f) : r;
	}
	add_ends(g, &line);
	return r == 0 ? put_line(&line, f) : r;
}

int chart_print(const struct chart *c, struct page *page)
{
	_cleanup_free_ struct grid *g = calloc(1, sizeof(*g));
	if (g == NULL)
		return page->error = -ENOMEM;
	g->chart = c;
	g->is_utf8 = page->is_utf8;
	if (!find_range(g))
		return page->error;
	const size_t width = page_width(page) - LABEL_WIDTH - 2;
	const size_t room = width < COLUMNS_MAX ? width : COLUMNS_MAX;
	g->step = room / c->n > STEP_MAX ? STEP_MAX : room / c->n;
	g->n_columns = g->step > 0 ? c->n * g->step : room;
	if (page->error == 0)
		page->error = draw(g);
	if (page->error == 0)
		page->error = print_grid(g, page->f);
	return page_flush(page);
}

/* ---- sparklines ---- */

void sparkline_add(struct buf *out, const double *v, size_t n, size_t width, bool is_utf8)
{
	static const char *const bars[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const heights[] = { "_", ".", ",", "-", "=", "+", "*", "#" };
	enum { HEIGHTS = 8 };
	_cleanup_free_ double *shares = malloc((n + 1) * sizeof(*shares));
	_cleanup_free_ double *scratch = malloc((n + 1) * sizeof(*scratch));
	if (shares == NULL || scratch == NULL) {
		out->error = -ENOMEM;
		return;
	}
	const size_t n_shares = n < width ? n : width;
	double low = INFINITY, high = -INFINITY;
	for (size_t i = 0; i < n_shares; i++) {
		const size_t from = i * n / n_shares, to = (i + 1) * n / n_shares;
		memcpy(scratch, v + from, (to - from) * sizeof(*scratch));
		shares[i] = stats_median(scratch, stats_drop_missing(scratch, to - from));
		low = fmin(low, shares[i]);
		high = fmax(high, shares[i]);
	}
	for (size_t i = 0; i < n_shares; i++) {
		/* What does not move is in the middle, not at the bottom. */
		const double part = high > low ? (shares[i] - low) / (high - low) : 0.5;
		const int height = (int)fmin(part * HEIGHTS, HEIGHTS - 1);
		if (isnan(shares[i]))
			(void)buf_addc(out, ' ');
		else
			(void)buf_adds(out, is_utf8 ? bars[height] : heights[height]);
	}
}
