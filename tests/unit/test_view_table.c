/* SPDX-License-Identifier: MIT */
/* Tables in all four formats, and what they do to hostile text. */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/utf8.h"
#include "userspace/view/table/internal.h"

#define UNKNOWN INT64_MIN

static const struct column columns[] = {
	{ .title = "name", .key = "name", .is_elastic = true },
	{ .title = "time", .key = "time_ns", .align = ALIGN_RIGHT },
	{ .title = "", .key = "", .audience = FOR_PEOPLE },
	{ .title = "raw", .key = "raw", .audience = FOR_PROGRAMS },
};

static char *printed(const struct table *t, enum table_format format, const struct page *style)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	assert_non_null(f);
	struct page page = style != NULL ? *style : (struct page){ 0 };
	page.f = f;
	page.format = format;
	assert_int_equal(table_print(t, &page), 0);
	(void)fclose(f);
	return text;
}

static struct table *new_table(void)
{
	struct table *t = table_new("Title", columns, 4);
	return t;
}

static struct table *table_of(const char *name)
{
	struct table *t = new_table();
	table_text(t, name);
	table_ns(t, 14200000);
	table_bar(t, 0.25, 0.5);
	table_count(t, 42);
	return t;
}

static void check(const struct table *t, enum table_format format, const char *expected)
{
	_cleanup_free_ char *text = printed(t, format, NULL);
	assert_string_equal(text, expected);
}

static void every_format_prints_its_columns(void **state)
{
	(void)state;
	struct table *t = table_of("one");
	table_text(t, NULL);
	table_ns(t, UNKNOWN);
	table_bar(t, 0.99, 1);
	table_number(t, CELL_RATIO, NAN);
	table_lead(t, "above");
	table_note(t, "below %d", 1);
	check(t, TABLE_TEXT,
	      "Title\nabove\n"
	      "name     time\n"
	      "one   14.2 ms       #####\n"
	      "-           -                     #\n"
	      "below 1\n");
	check(t, TABLE_JSON,
	      "{\n\t\"table\":\t\"Title\",\n\t\"rows\":\t[\n"
	      "{\"name\":\"one\",\"time_ns\":14200000,\"raw\":42}, \n"
	      "{\"name\":null,\"time_ns\":null,\"raw\":null}],\n"
	      "\t\"lead\":\t[\"above\"],\n\t\"notes\":\t[\"below 1\"]\n}\n");
	check(t, TABLE_CSV, "name,time_ns,raw\r\none,14200000,42\r\n,,\r\n");
	check(t, TABLE_MARKDOWN,
	      "### Title\n\nabove\n\n| name | time |\n| --- | ---: |\n| one | 14.2 ms |\n| - | - |\n\n"
	      "below 1\n\n");
	table_free(t);
}

static void rows_have_their_audience(void **state)
{
	(void)state;
	struct table *t = new_table();
	table_audience(t, FOR_PEOPLE);
	table_text(t, "people");
	table_ns(t, 1);
	table_bar(t, 0, 1);
	table_count(t, 1);
	table_audience(t, FOR_PROGRAMS);
	table_text(t, "programs");
	assert_int_equal(table_rows(t), 1);
	_cleanup_free_ char *text = printed(t, TABLE_TEXT, NULL);
	assert_non_null(strstr(text, "people"));
	assert_null(strstr(text, "programs"));
	check(t, TABLE_CSV, "name,time_ns,raw\r\nprograms,,\r\n");
	table_free(t);
}

static void an_empty_table_says_so(void **state)
{
	(void)state;
	struct table *t = new_table();
	check(t, TABLE_TEXT, "Title: none\n");
	check(t, TABLE_MARKDOWN, "### Title\n\nnone\n\n");
	check(t, TABLE_CSV, "name,time_ns,raw\r\n");
	table_free(t);
}

static void check_width(const char *text, size_t width)
{
	for (const char *line = text; *line != '\0';) {
		const size_t n = strcspn(line, "\n");
		if (text_width(line, n) > width)
			print_error("too wide: %.*s\n", (int)n, line);
		assert_true(text_width(line, n) <= width);
		assert_true(n == 0 || line[n - 1] != ' ');
		line += n + (line[n] == '\n');
	}
}

static void lines_fit_the_terminal(void **state)
{
	(void)state;
	static const char *const names[] = {
		"short",
		"a rather long name that goes on and on and on and on "
		"and on and on until it is cut somewhere",
		"/a/path/that/is/long/enough/to/be/cut/in/front/because/"
		"its/end/is/what/matters/libfoo.so.1",
		"日本語日本語日本語日本語日本語日本語日本語日本語日本語日"
		"本語日本語日本語日本語日本語"
	};
	for (unsigned int width = 40; width < 130; width++) {
		for (size_t i = 0; i < 4; i++) {
			struct table *t = table_of(names[i]);
			const struct page style = { .width = width, .is_utf8 = i % 2 };
			table_lead(t, "%s", names[i]);
			_cleanup_free_ char *text = printed(t, TABLE_TEXT, &style);
			check_width(text, width);
			table_free(t);
		}
	}
}

static void what_is_cut_shows_it(void **state)
{
	(void)state;
	const struct page ascii = { .width = 40 };
	const struct page utf8 = { .width = 40, .is_utf8 = true };
	struct table *t = table_of("a name that is cut in any case, for its length");
	_cleanup_free_ char *plain = printed(t, TABLE_TEXT, &ascii);
	_cleanup_free_ char *pretty = printed(t, TABLE_TEXT, &utf8);
	assert_non_null(strstr(plain, "a name t...s length "));
	assert_non_null(strstr(pretty, "a name th…ts length "));
	assert_non_null(strstr(pretty, "█"));
	table_free(t);
	t = table_of("/usr/lib/x86_64-linux-gnu/libfoo.so.1");
	_cleanup_free_ char *path = printed(t, TABLE_TEXT, &utf8);
	assert_non_null(strstr(path, "…ux-gnu/libfoo.so.1 "));
	table_free(t);
}

static void what_would_be_cut_to_the_same_is_continued_below(void **state)
{
	(void)state;
	const struct page utf8 = { .width = 40, .is_utf8 = true };
	struct table *t = new_table();
	static const char *const names[] = {
		"a long name with the word left in the middle of it",
		"a long name with the word right in the middle of it"
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		table_text(t, names[i]);
		table_ns(t, 1000);
		table_bar(t, 0, 1);
		table_count(t, 42);
	}
	_cleanup_free_ char *text = printed(t, TABLE_TEXT, &utf8);
	assert_non_null(strstr(text, "left"));
	assert_non_null(strstr(text, "right"));
	assert_null(strstr(text, "…"));
	table_free(t);
}

static void a_folded_column_continues_below(void **state)
{
	(void)state;
	static const struct column folded[] = {
		{ .title = "id", .key = "id" },
		{ .title = "text", .key = "text", .is_folded = true },
	};
	const struct page style = { .width = 40 };
	struct table *t = table_new("", folded, 2);
	table_text(t, "x");
	table_text(t, "one two three four five six seven eight nine ten eleven");
	_cleanup_free_ char *text = printed(t, TABLE_TEXT, &style);
	assert_string_equal(text, "id  text\n"
				  "x   one two three four five six seven\n"
				  "    eight nine ten eleven\n");
	table_free(t);
}

static void several_columns_fold_and_the_widest_gives_way(void **state)
{
	(void)state;
	static const struct column folded[] = {
		{ .title = "status", .key = "status" },
		{ .title = "metric", .key = "metric", .is_folded = true },
		{ .title = "target", .key = "target", .is_folded = true },
	};
	const struct page style = { .width = 40 };
	struct table *t = table_new("", folded, 3);
	table_text(t, "incomparable");
	table_text(t, "mem.peak_rss");
	table_text(t, "@baselines/main.json +10 %");
	table_text(t, "green");
	table_text(t, "time.wall");
	table_text(t, "< 1 s");
	_cleanup_free_ char *text = printed(t, TABLE_TEXT, &style);
	assert_string_equal(text, "status        metric        target\n"
				  "incomparable  mem.peak_rss  @baselines/\n"
				  "                            main.json\n"
				  "                            +10 %\n"
				  "green         time.wall     < 1 s\n");
	table_free(t);
}

static void colours_only_where_asked_for(void **state)
{
	(void)state;
	const struct page color = { .width = 80, .use_color = true };
	struct table *t = new_table();
	table_tone(t, TONE_BAD);
	table_text(t, "red");
	_cleanup_free_ char *plain = printed(t, TABLE_TEXT, NULL);
	_cleanup_free_ char *red = printed(t, TABLE_TEXT, &color);
	assert_null(strchr(plain, '\033'));
	assert_non_null(strstr(red, "\033[31mred"));
	table_free(t);
}

/* --- hostile text ---------------------------------------------------------------------------- */

static const char *const hostile[] = {
	"\033[2J\033]0;title\007",
	"line\nline\r\n::set-env name=x::y",
	"\xff\xfe\xc3(",
	"<script>alert(1)</script>",
	"a|b`c`*d*_e_[f](http://g)<b>",
	"=cmd|' /C calc'!A0",
	"+1+1",
	"-2+3",
	"@SUM(1)",
	"\t=1",
	"\xc2\x9b"
	"31m",
	"\xe2\x80\xae"
	"evil",
	"##[group]x",
	"x ##vso[task.setvariable]y",
	"  ::error::x",
	"a, \"b\"",
	"@everyone",
	"https://example.org",
	"\xef\xbc\x9d"
	"1+1",
	"```\n# heading",
	"&lt;&#60;",
};

static void no_control_byte_reaches_any_output(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct table *t = table_of(hostile[i]);
		table_lead(t, "%s", hostile[i]);
		table_note(t, "note: %s", hostile[i]);
		for (int format = TABLE_TEXT; format <= TABLE_MARKDOWN; format++) {
			const struct page style = { .width = 60, .is_utf8 = i % 2 };
			_cleanup_free_ char *text = printed(t, (enum table_format)format, &style);
			const size_t n = strlen(text);
			for (size_t at = 0; at < n; at++) {
				uint32_t c = 0;
				const size_t len = utf8_next(text + at, n - at, &c);
				assert_true(len > 0);
				assert_true(c >= 0x20 || c == '\n' ||
					    (c == '\r' && format == TABLE_CSV) ||
					    (c == '\t' && format == TABLE_JSON));
				assert_true(c < 0x7f || c > 0x9f);
				assert_true(c != 0x202e);
				assert_true(c < 0x80 || format != TABLE_TEXT || style.is_utf8);
				at += len - 1;
			}
			assert_null(strstr(text, "##["));
			assert_null(strstr(text, "##vso["));
			assert_null(strstr(text, "\n::"));
			assert_null(strstr(text, "\n  ::"));
		}
		table_free(t);
	}
}

static void check_escaped(void (*escape)(struct buf *, const char *), const char *text,
			  const char *expected)
{
	_cleanup_(buf_done) struct buf out;
	buf_init(&out, 1000);
	escape(&out, text);
	assert_string_equal(buf_str(&out), expected);
}

static void csv_cells_are_no_formulas(void **state)
{
	(void)state;
	check_escaped(escape_csv, "plain", "plain");
	check_escaped(escape_csv, "", "");
	check_escaped(escape_csv, "a,b", "\"a,b\"");
	check_escaped(escape_csv, "say \"hi\"", "\"say \"\"hi\"\"\"");
	check_escaped(escape_csv, "=1", "\"'=1\"");
	check_escaped(escape_csv, "+1", "\"'+1\"");
	check_escaped(escape_csv, "-1", "\"'-1\"");
	check_escaped(escape_csv, "@a", "\"'@a\"");
	check_escaped(escape_csv, "  =1", "\"'  =1\"");
	check_escaped(escape_csv,
		      "\xef\xbc\x9d"
		      "1",
		      "\"'\xef\xbc\x9d"
		      "1\"");
	check_escaped(escape_csv, "\t=1\n", "\\x09=1\\x0a");
}

static void markdown_stays_text(void **state)
{
	(void)state;
	check_escaped(escape_markdown, "a|b", "a\\|b");
	check_escaped(escape_markdown, "`x`", "\\`x\\`");
	check_escaped(escape_markdown, "<b>&amp;</b>", "&lt;b&gt;&amp;amp;&lt;/b&gt;");
	check_escaped(escape_markdown, "[a](b)", "\\[a\\]\\(b)");
	check_escaped(escape_markdown, "@all #1", "&#64;&#8288;all \\#&#8288;1");
	check_escaped(escape_markdown, "http://x", "http&#58;&#8288;//x");
	check_escaped(escape_markdown, "WWW.x", "WWW&#46;&#8288;x");
	check_escaped(escape_markdown, "a\nb", "a\\\\x0ab");
	check_escaped(escape_markdown, "\\|", "\\\\\\|");
	check_escaped(escape_markdown, "- item", "\\- item");
}

static void very_long_text_is_no_problem(void **state)
{
	(void)state;
	enum { LONG = 3 << 20 };
	char *text = malloc(LONG);
	memset(text, 'x', LONG - 1);
	text[LONG - 1] = '\0';
	struct table *t = table_of(text);
	_cleanup_free_ char *shown = printed(t, TABLE_TEXT, NULL);
	check_width(shown, 80);
	_cleanup_free_ char *json = printed(t, TABLE_JSON, NULL);
	assert_true(strlen(json) > MAX_CELL_LEN);
	table_free(t);
	memset(text, 0xff, LONG - 1); /* escapes to four times the length */
	t = table_of(text);
	_cleanup_free_ char *csv = printed(t, TABLE_CSV, NULL);
	_cleanup_free_ char *markdown = printed(t, TABLE_MARKDOWN, NULL);
	assert_true(strlen(csv) > 4 * (MAX_CELL_LEN - 1));
	table_free(t);
	free(text);
}

static void a_full_disk_is_an_error(void **state)
{
	(void)state;
	FILE *f = fopen("/dev/full", "w");
	if (f == NULL)
		skip();
	struct table *t = table_of("x");
	struct page page = { .f = f };
	assert_int_equal(table_print(t, &page), -EIO);
	(void)fclose(f);
	table_free(t);
}

static void odd_bars_stay_in_their_column(void **state)
{
	(void)state;
	static const double odd[][2] = { { NAN, NAN },	   { -1, 2 }, { 2, 3 },
					 { 0.5, 0.1 },	   { 1, 1 },  { 0, INFINITY },
					 { -1e300, 1e300 } };
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct table *t = new_table();
		table_text(t, "x");
		table_ns(t, 1);
		table_bar(t, odd[i][0], odd[i][1]);
		_cleanup_free_ char *text = printed(t, TABLE_TEXT, NULL);
		check_width(text, 4 + 2 + 4 + 2 + 20);
		table_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format_prints_its_columns),
		cmocka_unit_test(rows_have_their_audience),
		cmocka_unit_test(an_empty_table_says_so),
		cmocka_unit_test(lines_fit_the_terminal),
		cmocka_unit_test(what_is_cut_shows_it),
		cmocka_unit_test(what_would_be_cut_to_the_same_is_continued_below),
		cmocka_unit_test(a_folded_column_continues_below),
		cmocka_unit_test(several_columns_fold_and_the_widest_gives_way),
		cmocka_unit_test(colours_only_where_asked_for),
		cmocka_unit_test(no_control_byte_reaches_any_output),
		cmocka_unit_test(csv_cells_are_no_formulas),
		cmocka_unit_test(markdown_stays_text),
		cmocka_unit_test(very_long_text_is_no_problem),
		cmocka_unit_test(a_full_disk_is_an_error),
		cmocka_unit_test(odd_bars_stay_in_their_column),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
