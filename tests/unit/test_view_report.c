/* SPDX-License-Identifier: MIT */
/* Whole reports against tests/golden/. To accept a change after having read it:
 * STARTLINE_UPDATE_GOLDEN=1 build/tests/unit/test_view_report */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_session.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/path.h"
#include "userspace/base/utf8.h"
#include "userspace/model/document/session_json.h"
#include "userspace/view/report/report.h"

static char *printed(struct session *s, enum table_format format, const struct page *style)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	assert_non_null(f);
	struct page page = style != NULL ? *style : (struct page){ 0 };
	page.f = f;
	page.format = format;
	assert_int_equal(report_print(s, &page), 0);
	(void)fclose(f);
	return text;
}

static char *printed_view(const struct session *s, const char *name, enum table_format format)
{
	char *text = NULL;
	size_t n = 0;
	struct table *t = NULL;
	FILE *f = open_memstream(&text, &n);
	assert_non_null(f);
	t = report_find(name)->build(s, 0);
	struct page page = { .f = f, .format = format };
	assert_int_equal(table_print(t, &page), 0);
	(void)fclose(f);
	table_free(t);
	return text;
}

static void check_golden(const char *name, const char *text)
{
	char path[200];
	(void)snprintf(path, sizeof(path), "tests/golden/%s", name);
	if (getenv("STARTLINE_UPDATE_GOLDEN") != NULL)
		assert_int_equal(path_replace(path, text, strlen(text), 0600), 0);
	_cleanup_(buf_done) struct buf golden;
	buf_init(&golden, (size_t)16 << 20);
	if (fs_read_file(path, &golden) < 0)
		print_error("%s cannot be read (tests run from the top directory)\n", path);
	if (strcmp(buf_str(&golden), text) != 0)
		print_error("differs from %s:\n%s\n", path, text);
	assert_true(strcmp(buf_str(&golden), text) == 0);
}

static void check_printed(struct session *s, enum table_format format, bool is_utf8,
			  const char *name)
{
	const struct page style = { .width = 80, .is_utf8 = is_utf8 };
	_cleanup_free_ char *text = printed(s, format, &style);
	check_golden(name, text);
}

static void one_run_prints_as_agreed(void **state)
{
	(void)state;
	struct session *s = sample_server(1);
	check_printed(s, TABLE_TEXT, false, "report-ascii.txt");
	check_printed(s, TABLE_TEXT, true, "report-utf8.txt");
	check_printed(s, TABLE_MARKDOWN, true, "report.md");
	check_printed(s, TABLE_CSV, true, "report.csv");
	check_printed(s, TABLE_JSON, true, "report.json");
	session_free(s);
}

static void several_runs_print_their_statistics(void **state)
{
	(void)state;
	struct session *s = sample_server(3);
	check_printed(s, TABLE_TEXT, true, "report-runs.txt");
	session_free(s);
}

static void every_view_prints_as_agreed(void **state)
{
	(void)state;
	struct session *s = sample_server(1);
	_cleanup_(buf_done) struct buf all;
	buf_init(&all, (size_t)1 << 20);
	for (const struct report *report = reports; report->name != NULL; report++) {
		for (int format = TABLE_TEXT; format <= TABLE_CSV; format++) {
			_cleanup_free_ char *text =
				printed_view(s, report->name, (enum table_format)format);
			(void)buf_addf(&all, "--- %s\n%s", report->name, text);
		}
	}
	assert_int_equal(all.error, 0);
	check_golden("views.txt", buf_str(&all));
	assert_null(report_find("nonsense"));
	session_free(s);
}

static void spend(struct session *s, int process, int64_t ns, enum cause cause, const char *detail)
{
	sample_segment(s, &s->runs[0], ns, process == 1 ? PHASE_MAIN : PHASE_CHILD, cause, detail)
		->process = process;
}

static void start(struct session *s, int id, int parent, const char *const *argv)
{
	struct run *run = &s->runs[0];
	struct process *p = &run->processes[id - 1];
	size_t n = 0;
	while (argv[n] != NULL)
		n++;
	*p = sample_process(s, id, argv[0], "");
	p->parent = parent;
	p->start_ns = run->startup_total_ns;
	p->exit_ns = p->start_ns + 11 * MS;
	p->exit_code = 0;
	p->argv.items = sample_copy(s, argv, n * sizeof(*argv));
	p->argv.n = n;
	p->images[0].argv = p->argv;
	p->images[0].time_ns = p->start_ns + (id > 1 ? MS / 10 : 0);
	if (id > 1)
		spend(s, id, MS / 10, CAUSE_CPU, ""); /* between fork and exec */
}

#define ARGV(...) ((const char *[]){ __VA_ARGS__, NULL })

/* A build: a file after the other, each with a compiler and an assembler; then a fetch that waits
 * for a server. Nothing listens, nothing is asked to be ready. */
static struct session *build_session(void)
{
	enum { N_FILES = 5, N = 1 + 3 * N_FILES + 1 };
	struct session *s = sample_new(1);
	struct run *run = &s->runs[0];
	const char *command[] = { "make", "-j2" };
	const struct milestone milestones[] = {
		{ "exec", 0, 1, "execve entered the kernel", "bpf" },
		{ "linked", 724000, 1, "libraries relocated", "shim" },
		{ "main", 746000, 1, "main is entered", "shim" },
		{ "bind", UNKNOWN, 0, "no listening socket", "" },
		{ "first_accept", UNKNOWN, 0, "no client came", "" },
	};
	SAMPLE(s, s->command.items, s->command.n, command);
	SAMPLE(s, run->milestones, run->n_milestones, milestones);
	run->processes = arena_alloc_array(s->arena, N, sizeof(*run->processes));
	run->n_processes = N;
	run->tainted = "tasks waited for a CPU during 31 % of the run (PSI)";
	start(s, 1, 0, ARGV("/usr/bin/make", "-j2"));
	spend(s, 1, 3 * MS, CAUSE_CPU, "");
	for (int i = 0; i < N_FILES; i++) {
		const int gcc = 2 + 3 * i;
		char *source = arena_strdup(s->arena, "src/f0.c");
		source[5] = (char)('1' + i);
		start(s, gcc, 1, ARGV("gcc", "-O2", "-Wall", "-c", "-o", "src/f.o", source));
		spend(s, gcc, 2 * MS, CAUSE_CPU, "");
		start(s, gcc + 1, gcc, ARGV("/usr/lib/cc1", "-quiet", source, "-o", "/tmp/c.s"));
		for (int turn = 0; turn < 41; turn++) {
			spend(s, gcc + 1, 400000, CAUSE_CPU, "");
			spend(s, gcc + 1, 100000, CAUSE_RUNQUEUE, "");
		}
		start(s, gcc + 2, gcc, ARGV("as", "-o", "src/f.o", "/tmp/c.s"));
		spend(s, gcc + 2, 3 * MS, CAUSE_CPU, "");
		spend(s, 1, 300000, CAUSE_CPU, "");
	}
	start(s, N, 1, ARGV("/usr/bin/curl", "-sf", "http://127.0.0.1:8080/artifact"));
	spend(s, N, 5 * MS, CAUSE_CPU, "");
	spend(s, N, 23 * MS, CAUSE_CONNECT, "tcp 127.0.0.1:8080");
	spend(s, N, 6 * MS, CAUSE_FILE_READ, "/usr/lib/x86_64-linux-gnu/libcurl.so.4");
	spend(s, N, 5 * MS, CAUSE_CPU, "");
	assert_int_equal(metrics_collect(s), 0);
	return s;
}

static void a_build_prints_as_agreed(void **state)
{
	(void)state;
	struct session *s = build_session();
	check_printed(s, TABLE_TEXT, true, "report-build.txt");
	check_printed(s, TABLE_MARKDOWN, true, "report-build.md");
	session_free(s);
}

/* Socket activation: the socket listens, then what serves it is executed. */
static void rungs_are_shown_in_order_of_time(void **state)
{
	(void)state;
	struct session *s = build_session();
	const struct milestone milestones[] = {
		{ "exec", 0, 1, "execve entered the kernel", "bpf" },
		{ "linked", 70 * MS, 1, "libraries relocated", "shim" },
		{ "main", UNKNOWN, 1, "main was not seen", "shim" },
		{ "bind", 10 * MS, 1, "tcp 127.0.0.1:80", "bpf" },
		{ "first_accept", 80 * MS, 1, "tcp 127.0.0.1:80", "bpf" },
	};
	SAMPLE(s, s->runs[0].milestones, s->runs[0].n_milestones, milestones);
	_cleanup_free_ char *text = printed_view(s, "ladder", TABLE_TEXT);
	const char *bind = strstr(text, "\nbind ");
	const char *linked = strstr(text, "\nlinked ");
	assert_non_null(bind);
	assert_non_null(linked);
	assert_true(bind < linked);
	assert_non_null(strstr(linked, "60.0 ms"));
	assert_null(strstr(text, "-60.0 ms"));
	session_free(s);
}

static void a_command_that_serves_nobody_has_no_ladder(void **state)
{
	(void)state;
	struct session *s = build_session();
	_cleanup_free_ char *text = printed(s, TABLE_TEXT, NULL);
	assert_null(strstr(text, "not seen"));
	assert_null(strstr(text, "Readiness"));
	const char *ready[] = { "accept" };
	SAMPLE(s, s->design.ready.items, s->design.ready.n, ready);
	_cleanup_free_ char *asked = printed(s, TABLE_TEXT, NULL);
	assert_non_null(strstr(asked, "Readiness\n"));
	assert_non_null(strstr(asked, "not seen: bind (no listening socket); first_accept"));
	session_free(s);
}

static void waiting_for_a_cpu_is_said_when_it_is_much(void **state)
{
	(void)state;
	struct session *s = build_session();
	_cleanup_free_ char *much = printed(s, TABLE_TEXT, NULL);
	assert_non_null(strstr(much, "\nrunqueue: ready to run for 20.5 ms (12 %), but the machine "
				     "was busy (tainted);\n  taken out of child 20.5 ms\n"));
	s->runs[0].tainted = NULL;
	_cleanup_free_ char *own = printed(s, TABLE_TEXT, NULL);
	assert_non_null(strstr(own, "but no CPU was free;"));
	spend(s, 1, 400 * MS, CAUSE_CPU, "");
	_cleanup_free_ char *little = printed(s, TABLE_TEXT, NULL);
	assert_null(strstr(little, "ready to run"));
	session_free(s);
}

static size_t n_lines(const char *text)
{
	size_t n = 0;
	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static void check_width(const char *text)
{
	for (const char *line = text; *line != '\0';) {
		const size_t n = strcspn(line, "\n");
		if (text_width(line, n) > 80)
			print_error("too wide: %.*s\n", (int)n, line);
		assert_true(text_width(line, n) <= 80);
		line += n + (line[n] == '\n');
	}
}

static void a_report_is_one_screen(void **state)
{
	(void)state;
	struct session *s = sample_server(1);
	_cleanup_free_ char *text = printed(s, TABLE_TEXT, NULL);
	assert_true(n_lines(text) <= 50); /* with a finding, a loss and a note */
	check_width(text);
	s->runs[0].n_findings = 0;
	_cleanup_free_ char *normal = printed(s, TABLE_TEXT, NULL);
	assert_true(n_lines(normal) <= 46);
	session_free(s);
}

/* A path of thousands of segments in many processes still fits a screen; programs get all. */
static void a_long_path_is_merged_for_people_only(void **state)
{
	(void)state;
	enum { MANY = 5000 };
	static const enum cause causes[] = { CAUSE_CPU, CAUSE_CHILD, CAUSE_DISK, CAUSE_RUNQUEUE };
	for (int kind = 0; kind < 3; kind++) {
		struct session *s = sample_new(1);
		struct run *run = &s->runs[0];
		struct segment *segments = arena_alloc_array(s->arena, MANY, sizeof(*segments));
		for (int i = 0; i < MANY; i++) {
			segments[i] = (struct segment){
				.start_ns = i * MS,
				.duration_ns = MS,
				.process = kind == 2 ? i : 1,
				.phase = kind == 0 ? PHASE_MAIN : (enum phase)(i / 7 % PHASE_COUNT),
				.state = i % 4 == 0 ? ACTIVITY_RUNNING : ACTIVITY_BLOCKED,
				.cause = causes[i % 4],
				.detail = "x",
			};
		}
		run->segments = segments;
		run->n_segments = MANY;
		run->startup_total_ns = MANY * MS;
		_cleanup_free_ char *text = printed(s, TABLE_TEXT, NULL);
		assert_true(n_lines(text) <= 48);
		check_width(text);
		_cleanup_free_ char *csv = printed_view(s, "startup", TABLE_CSV);
		assert_int_equal(n_lines(csv), MANY + 1);
		session_free(s);
	}
}

static void many_processes_are_a_short_list(void **state)
{
	(void)state;
	enum { MANY = 43 };
	struct session *s = sample_server(1);
	struct process *processes = arena_alloc_array(s->arena, MANY, sizeof(*processes));
	for (int i = 0; i < MANY; i++)
		processes[i] = sample_process(s, i + 1, "/bin/true", "x");
	s->runs[0].processes = processes;
	s->runs[0].n_processes = MANY;
	_cleanup_free_ char *text = printed(s, TABLE_TEXT, NULL);
	assert_non_null(strstr(text, "and 37 more: startline report --view processes\n"));
	_cleanup_free_ char *view = printed_view(s, "processes", TABLE_TEXT);
	assert_int_equal(n_lines(view), MANY + 2);
	session_free(s);
}

static void a_tree_with_loops_is_printed_once(void **state)
{
	(void)state;
	struct session *s = sample_server(1);
	struct process *p = s->runs[0].processes;
	p[0].parent = 1;
	p[1].parent = 3;
	p[2].parent = 2;
	_cleanup_free_ char *loop = printed_view(s, "processes", TABLE_CSV);
	assert_int_equal(n_lines(loop), 4);
	p[0].parent = 77;
	p[1].parent = -5;
	p[2].parent = 2;
	_cleanup_free_ char *odd = printed_view(s, "processes", TABLE_CSV);
	assert_int_equal(n_lines(odd), 4);
	session_free(s);
}

static void hostile_text_reaches_no_report_alive(void **state)
{
	(void)state;
	static const char evil[] = "\033]0;x\007<script>|`x`\n::set-env name=a::b\xff##[group]";
	struct session *s = sample_server(2);
	for (size_t i = 0; i < 2; i++) {
		struct run *run = &s->runs[i];
		const char *argv[] = { evil, evil };
		run->processes[0].exe = evil;
		SAMPLE(s, run->processes[0].argv.items, run->processes[0].argv.n, argv);
		run->processes[1].coverage_heap = evil;
		run->connections[0].peer = evil;
		run->connections[0].result = evil;
		run->ready_endpoint = evil;
		run->milestones[1].evidence = evil;
		run->findings[0].evidence = evil;
		run->libraries[0].path = evil;
		run->listeners[0].endpoint = evil;
		run->losses[0].kind = evil;
		run->tainted = evil;
		run->incomplete = evil;
		run->segments[run->n_segments - 1].detail = evil;
		s->notes[0] = evil;
		s->command.items[0] = evil;
	}
	for (int format = TABLE_TEXT; format <= TABLE_MARKDOWN; format++) {
		_cleanup_free_ char *report = printed(s, (enum table_format)format, NULL);
		assert_null(strchr(report, '\033'));
		assert_null(strchr(report, '\007'));
		assert_null(strstr(report, "\n::"));
		assert_null(strstr(report, "##["));
		assert_null(memchr(report, 0xff, strlen(report)));
		if (format == TABLE_TEXT)
			check_width(report);
		if (format == TABLE_MARKDOWN)
			assert_null(strstr(report, "<script"));
		for (const struct report *r = reports; r->name != NULL; r++) {
			_cleanup_free_ char *view =
				printed_view(s, r->name, (enum table_format)format);
			assert_null(strchr(view, '\033'));
			assert_null(strstr(view, "##["));
			assert_null(memchr(view, 0xff, strlen(view)));
		}
	}
	session_free(s);
}

/* What a document leaves out is not there at all: nothing may rely on it. */
static void an_empty_session_can_be_printed(void **state)
{
	(void)state;
	static const char *const documents[] = {
		"{\"schema\":\"startline.report/1\"}",
		"{\"schema\":\"startline.report/1\",\"runs\":[{}]}",
		"{\"schema\":\"startline.report/1\",\"runs\":[{\"processes\":[{}],\"listeners\":[{}],"
		"\"connections\":[{}],\"libraries\":[{}],\"findings\":[{}],\"milestones\":[{}],"
		"\"losses\":{\"kinds\":[{}]},\"ready\":{},\"startup\":{\"segments\":[{}]}},{}]}",
		"{\"schema\":\"startline.report/1\",\"runs\":[{\"startup\":{\"total_ns\":5,\"segments\":["
		"{\"start_ns\":-9000000000000000000,\"duration_ns\":9000000000000000000},"
		"{\"start_ns\":9000000000000000000,\"duration_ns\":9000000000000000000}]}}]}",
	};
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		struct session *s = NULL;
		assert_int_equal(session_read_json(documents[i], strlen(documents[i]), "x", &s), 0);
		for (int format = TABLE_TEXT; format <= TABLE_MARKDOWN; format++) {
			_cleanup_free_ char *text = printed(s, (enum table_format)format, NULL);
			for (const struct report *r = reports; s->n_runs > 0 && r->name; r++) {
				_cleanup_free_ char *view =
					printed_view(s, r->name, (enum table_format)format);
			}
		}
		session_free(s);
	}
}

static void how_it_ended_is_said(void **state)
{
	(void)state;
	struct session *s = sample_server(1);
	struct run *run = &s->runs[0];
	run->has_ready = false;
	run->exit_reason = "timeout";
	_cleanup_free_ char *timeout = printed(s, TABLE_TEXT, NULL);
	assert_non_null(
		strstr(timeout, "It never became ready (accept): stopped at the --timeout."));
	run->exit_reason = "exit";
	run->exit_code = 3;
	_cleanup_free_ char *failed = printed(s, TABLE_TEXT, NULL);
	assert_non_null(strstr(failed, "ended before it was ready, after 456 ms = "));
	assert_non_null(strstr(failed, "It failed: exit status 3.\n"));
	run->exit_reason = "signal";
	run->exit_signal = 9;
	_cleanup_free_ char *killed = printed(s, TABLE_TEXT, NULL);
	assert_non_null(strstr(killed, "It was killed by signal 9.\n"));
	session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_run_prints_as_agreed),
		cmocka_unit_test(several_runs_print_their_statistics),
		cmocka_unit_test(every_view_prints_as_agreed),
		cmocka_unit_test(a_build_prints_as_agreed),
		cmocka_unit_test(rungs_are_shown_in_order_of_time),
		cmocka_unit_test(a_command_that_serves_nobody_has_no_ladder),
		cmocka_unit_test(waiting_for_a_cpu_is_said_when_it_is_much),
		cmocka_unit_test(a_report_is_one_screen),
		cmocka_unit_test(a_long_path_is_merged_for_people_only),
		cmocka_unit_test(many_processes_are_a_short_list),
		cmocka_unit_test(a_tree_with_loops_is_printed_once),
		cmocka_unit_test(hostile_text_reaches_no_report_alive),
		cmocka_unit_test(an_empty_session_can_be_printed),
		cmocka_unit_test(how_it_ended_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
