/* SPDX-License-Identifier: MIT */
/* Outcomes made by hand, for the tests of the verdict outputs: some of every kind, and some whose
 * every text is hostile. All hang in the arena of the first session. */
#ifndef TESTS_UNIT_SAMPLE_OUTCOMES_H
#define TESTS_UNIT_SAMPLE_OUTCOMES_H

#include "tests/unit/sample_session.h"
#include "userspace/gate/outcome.h"

struct samples {
	struct outcome *outcomes;
	size_t n;
	struct session *base, *head;
	struct comparison *comparison;
};

#define N_OF_SAMPLES(array) (sizeof(array) / sizeof((array)[0]))

__attribute__((unused)) static const char *const nasty_texts[] = {
	"\x1b[31mred\x1b[0m\x1b]0;title\a",
	"line\nbreak\r\nand\ttab",
	"::error file=x,line=1::owned",
	"a\n::set-output name=x::owned\n::stop-commands::x",
	"##[error]owned ##vso[task.complete result=Failed]",
	"%0A::error::owned%0D",
	"<script>alert(1)</script>",
	"<img src=x onerror=alert(1)>",
	"<!-- startline: x --> --> <!-- ]]>",
	"]]></failure><failure type=\"x\">&amp;&#0;&bogus;",
	"\"' onmouseover='x' \" a=\"b",
	"| a | b |\\| c `|` d",
	"`code` ```fence``` ~~~",
	"[link](https://evil.example) ![image](https://evil.example/x.png)",
	"[ref][1] <https://evil.example> [1]: https://evil.example",
	"https://evil.example/x http://evil.example ftp://evil.example",
	"www.evil.example www.evil.example/x mail me@evil.example mailto:x@evil.example",
	"@everyone @org/team cc @user",
	"#1 GH-1 org/repo#1 !1 ~label $x^2$ $$y$$",
	"/close",
	"/approve\n/merge",
	"# heading\n## heading\n- item\n1. item\n> quote\n---\n===",
	"**bold** __bold__ *em* _em_ ~~gone~~",
	"*[x*](y) \\*escaped\\* \\",
	"tail ends in backslash \\",
	"javascript:alert(1) data:text/html,x",
	"\xff\xfe\x80 not utf-8 \xc0\xaf",
	"\xef\xbf\xbe and \xef\xbf\xbf",
	"\xe2\x80\xae right to left \xe2\x80\xa8 line separator",
	"\xf0\x9f\x94\xb4 \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
	"# EOF",
	"x\"} 1\n# EOF\ny{a=\"",
	"$(touch owned) `touch owned` ; touch owned ' \" \\",
	"' OR 1=1; DROP TABLE run; --",
	"{{ constructor.constructor('x')() }} ${{ github.token }}",
	"&lt;script&gt; &#64;user &#x40;user",
	"",
	" ",
};

/* A judgement against a baseline. */
static struct judgement sample_change(const char *scenario, const char *metric, double base,
				      double head, enum verdict verdict, enum level level)
{
	return (struct judgement){ .scenario = scenario,
				   .metric = metric,
				   .unit = UNIT_NS,
				   .target = "baseline @main +10 %",
				   .actual = head,
				   .actual_low = head * 0.99,
				   .actual_high = head * 1.01,
				   .base_value = base,
				   .ratio = head / base,
				   .low = head / base * 0.98,
				   .high = head / base * 1.02,
				   .headroom = NAN,
				   .verdict = verdict,
				   .level = level,
				   .reason = "" };
}

static struct judgement sample_budget(const char *scenario, const char *metric, enum unit unit,
				      const char *target, double limit, double actual,
				      enum level level)
{
	return (struct judgement){ .scenario = scenario,
				   .metric = metric,
				   .unit = unit,
				   .target = target,
				   .is_budget = true,
				   .actual = actual,
				   .actual_low = NAN,
				   .actual_high = NAN,
				   .base_value = NAN,
				   .ratio = NAN,
				   .low = NAN,
				   .high = NAN,
				   .headroom = limit / actual,
				   .verdict = level == LEVEL_INCONCLUSIVE ? VERDICT_INCONCLUSIVE
									  : VERDICT_UNCHANGED,
				   .level = level,
				   .reason = "" };
}

static struct outcome *samples_new(struct samples *s, size_t n)
{
	int r;
	s->n = n;
	s->base = sample_server(5);
	s->head = sample_server(5);
	/* Something is slower, more is allocated. */
	for (size_t i = 0; i < s->head->n_runs; i++) {
		struct run *run = &s->head->runs[i];
		struct segment *last = &run->segments[run->n_segments - 1];
		last->duration_ns += 117 * MS;
		run->startup_total_ns += 117 * MS;
		run->ready_ns += 117 * MS;
		sample_value(run, "startup.ready", (double)run->ready_ns);
		sample_value(run, "net.connects", 2);
	}
	s->head->n_series = 0;
	r = metrics_collect(s->head);
	assert(r == 0);
	r = comparison_build(s->base, s->head, 0.984, &s->comparison);
	assert(r == 0);
	(void)r;
	s->outcomes = arena_alloc_array(s->base->arena, n + 1, sizeof(*s->outcomes));
	assert(s->outcomes != NULL);
	return s->outcomes;
}

static void samples_done(struct samples *s)
{
	(void)comparison_free(s->comparison);
	(void)session_free(s->head);
	(void)session_free(s->base);
}

/* Some of every kind. */
__attribute__((unused)) static void samples_some(struct samples *s)
{
	struct outcome *o = samples_new(s, 4);
	struct judgement first[] = {
		sample_change("memory mode", "startup.ready", 458e6, 575e6, VERDICT_REGRESSED,
			      LEVEL_RED),
		sample_change("memory mode", "cpu.user", 15e6, 15.1e6, VERDICT_UNCHANGED,
			      LEVEL_GREEN),
		sample_change("memory mode", "time.wall", 480e6, 501e6, VERDICT_INCONCLUSIVE,
			      LEVEL_INCONCLUSIVE),
		sample_budget("memory mode", "startup.ready", UNIT_NS, "< 500 ms", 500e6, 575e6,
			      LEVEL_RED),
		sample_budget("memory mode", "mem.peak_rss", UNIT_BYTES, "< 2 GB", 2e9, 25.5e6,
			      LEVEL_GREEN),
		sample_budget("memory mode", "net.connect[tcp *:5432]", UNIT_NS, "p95 < 10 ms",
			      10e6, 10.4e6, LEVEL_TOLERATED),
		sample_budget("memory mode", "cpu.utilization", UNIT_RATIO, "< 80 %", 0.8, 0.88,
			      LEVEL_YELLOW),
	};
	first[0].cause = "+117 ms connect in main: tcp 127.0.0.1:5432";
	first[2].more_runs = 12;
	first[2].reason = "-1.0 to +9.8 %; about 12 more runs would decide it";
	o[0] = (struct outcome){ .scenario = "memory mode",
				 .command = "./server --mode memory",
				 .file = "startline.yml",
				 .line = 7,
				 .reason = "",
				 .session = s->head,
				 .base = s->base,
				 .control = s->base,
				 .comparison = s->comparison,
				 .base_name = "@main",
				 .pairs = 12,
				 .repeats = 1,
				 .seed = UINT64_MAX };
	SAMPLE(s->base, o[0].judgements, o[0].n_judgements, first);
	o[1] = (struct outcome){ .scenario = "distributed mode",
				 .command = "./server --mode distributed",
				 .file = "startline.yml",
				 .line = 12,
				 .kind = OUTCOME_TARGET_FAILED,
				 .reason = "run 3 ended with signal 11 before it was ready" };
	o[2] = (struct outcome){ .scenario = "documentation",
				 .command = "make docs",
				 .kind = OUTCOME_SKIPPED,
				 .reason = "the artefacts are byte-identical" };
	o[3] = (struct outcome){ .scenario = "other machine",
				 .command = "true",
				 .kind = OUTCOME_CANNOT_JUDGE,
				 .reason = "host.cpu: AMD EPYC 7763 against AMD EPYC 9V74" };
}

/* Each text everywhere. */
__attribute__((unused)) static void samples_nasty(struct samples *s)
{
	struct outcome *o = samples_new(s, N_OF_SAMPLES(nasty_texts));
	struct contribution *c = s->comparison->contributions;
	for (size_t i = 0; i < s->comparison->n_contributions; i++)
		c[i].detail = c[i].process = nasty_texts[i % N_OF_SAMPLES(nasty_texts)];
	for (size_t i = 0; i < s->n; i++) {
		const char *t = nasty_texts[i];
		struct judgement judgements[] = {
			sample_change(t, t, 458e6, 575e6, VERDICT_REGRESSED, LEVEL_RED),
			sample_budget(t, t, UNIT_NS, t, 1e9, 2e9, LEVEL_RED),
			sample_budget(t, t, UNIT_BYTES, "< 2 GB", 1e9, 1e8, LEVEL_GREEN),
			sample_budget(t, "x", UNIT_COUNT, t, NAN, NAN, LEVEL_INCONCLUSIVE),
		};
		for (size_t k = 0; k < N_OF_SAMPLES(judgements); k++)
			judgements[k].reason = judgements[k].cause = t;
		o[i] = (struct outcome){ .scenario = t,
					 .command = t,
					 .file = t,
					 .line = 7,
					 .kind = (enum outcome_kind)(i % 5),
					 .reason = t,
					 .session = s->head,
					 .base = s->base,
					 .comparison = s->comparison,
					 .base_name = t,
					 .pairs = 12,
					 .seed = 23 };
		SAMPLE(s->base, o[i].judgements, o[i].n_judgements, judgements);
	}
	struct run *run = &s->head->runs[2];
	s->head->host.cpu = s->head->host.kernel = s->head->host.libc = nasty_texts[6];
	for (size_t i = 0; i < s->head->n_runs; i++) {
		run = &s->head->runs[i];
		run->findings[0].evidence = run->findings[0].remedy = nasty_texts[13];
	}
}

/* @n scenarios with @text as every text, one judgement each. */
__attribute__((unused)) static void samples_many(struct samples *s, size_t n, const char *text)
{
	struct outcome *o = samples_new(s, n);
	for (size_t i = 0; i < n; i++) {
		const char *name = arena_printf(s->base->arena, "%s %zu", text, i);
		struct judgement one[] = { sample_change(name, name, 458e6, 575e6,
							 VERDICT_REGRESSED,
							 i % 2 ? LEVEL_RED : LEVEL_YELLOW) };
		one[0].reason = text;
		o[i] = (struct outcome){ .scenario = name,
					 .command = text,
					 .file = text,
					 .reason = "",
					 .session = s->head,
					 .base = s->base,
					 .comparison = s->comparison,
					 .base_name = text,
					 .pairs = 8 };
		SAMPLE(s->base, o[i].judgements, o[i].n_judgements, one);
	}
}

#endif
