/* SPDX-License-Identifier: MIT */
/* Reads the command line of `run`. Every mistake is named with what would be allowed. */

#include "userspace/cmd/run_options.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/units.h"
#include "userspace/cmd/cmd.h"
#include "userspace/view/table.h"

#define RUNS_MAX	 100000u
#define RING_MIN	 4096u
#define RING_MAX	 (1024ull * 1024 * 1024)
#define READY_TIMEOUT_NS (60 * NS_PER_S)

enum {
	KEY_WARMUP = OPTION_FIRST_FREE,
	KEY_UNTIL,
	KEY_READY,
	KEY_TIMEOUT,
	KEY_STOP_SIGNAL,
	KEY_PROBES,
	KEY_HEAP,
	KEY_TRACE,
	KEY_USER,
	KEY_CGROUP,
	KEY_REDACT,
	KEY_RING,
};

static const struct argp_option options[] = {
	{ "runs", 'n', "N", 0, "measure N runs (1)", 0 },
	{ "warmup", KEY_WARMUP, "N", 0, "runs before these that are not measured (0)", 0 },
	{ "ready", KEY_READY, "SPEC", 0,
	  "what \"ready\" means; repeatable, all must hold: accept[:N|:all], listen[:N], "
	  "first-accept, first-byte, log:REGEX, notify, file:PATH, quiet, tcp:HOST:PORT, "
	  "http:URL[=STATUS], cmd:COMMAND",
	  0 },
	{ "until", KEY_UNTIL, "ready|exit|DURATION", 0,
	  "when to stop (ready if --ready is given, else exit)", 0 },
	{ "timeout", KEY_TIMEOUT, "T", 0, "give up after T (60s when waiting for ready)", 0 },
	{ "stop-signal", KEY_STOP_SIGNAL, "SIG", 0, "how the command is stopped (TERM)", 0 },
	{ "probes", KEY_PROBES, "LIST", 0, "auto, none, or a list of bpf and shim (auto)", 0 },
	{ "heap", KEY_HEAP, "MODE", 0, "off or count (count)", 0 },
	{ "trace", KEY_TRACE, "FILE", 0, "the recording (a new one in .startline/)", 0 },
	{ "output", 'o', "FILE", 0, "the report (standard error)", 0 },
	{ "format", OPTION_FORMAT, "FORMAT", 0, "text, json, csv or markdown (text)", 0 },
	{ "user", KEY_USER, "NAME", 0, "run the command as this user (under sudo: the caller)", 0 },
	{ "follow-cgroup", KEY_CGROUP, "PATH", 0, "also record the tasks of this cgroup", 0 },
	{ "redact", KEY_REDACT, "REGEX", 0, "mask what matches in arguments before it is stored",
	  0 },
	{ "ring", KEY_RING, "SIZE", 0, "bytes of the kernel's event buffer", 0 },
	{ "quiet", 'q', NULL, 0, "print no report and no progress", 0 },
	{ "verbose", 'v', NULL, 0, "say what is being done; twice: in detail", 0 },
	{ 0 },
};

static const char doc[] =
	"Runs CMD, records it with kernel probes and a preloaded shim, and prints where the time "
	"went and what it cost. CMD's input, output, terminal, signals and exit status are its "
	"own."
	"\v"
	"Exit status: CMD's own (128+n for a signal); 0 when it was stopped because it got ready; "
	"124 timeout; 125 startline failed; 126 CMD cannot be executed; 127 it was not found.\n\n"
	"EXAMPLES\n"
	"  startline run --ready accept -- redis-server --port 7777\n"
	"  startline run -n 10 --warmup 1 --ready accept -- nginx -g 'daemon off;'\n"
	"  startline run --ready log:'listening on' --format json -o run.json -- ./server\n"
	"  startline run -- make -j2\n";

static unsigned int parse_number(const char *s, unsigned int least, const char *name,
				 struct argp_state *state)
{
	uint64_t n = 0;
	if (parse_u64(s, &n) < 0 || n < least || n > RUNS_MAX)
		argp_error(state, "%s '%s': a number from %u to %u", name, s, least, RUNS_MAX);
	return (unsigned int)n;
}

static void parse_until(struct run_options *o, const char *s, struct argp_state *state)
{
	o->has_until = true;
	if (strcmp(s, "ready") == 0)
		o->until = UNTIL_READY;
	else if (strcmp(s, "exit") == 0)
		o->until = UNTIL_EXIT;
	else if (parse_duration(s, &o->duration_ns) == 0 && o->duration_ns > 0)
		o->until = UNTIL_DURATION;
	else
		argp_error(state, "--until '%s': ready, exit or a duration such as 5s", s);
}

static int parse_signal(const char *s, struct argp_state *state)
{
	uint64_t number = 0;
	if (parse_u64(s, &number) == 0 && number > 0 && number < (uint64_t)SIGRTMAX + 1)
		return (int)number;
	const char *name = strncmp(s, "SIG", 3) == 0 ? s + 3 : s;
	for (int signal = 1; signal < NSIG; signal++) {
		const char *known = sigabbrev_np(signal);
		if (known != NULL && strcmp(known, name) == 0)
			return signal;
	}
	argp_error(state, "--stop-signal '%s': a name such as TERM or INT, or a number", s);
	return SIGTERM;
}

static unsigned int parse_probes(const char *s, struct argp_state *state)
{
	if (strcmp(s, "auto") == 0)
		return PROBE_AUTO;
	if (strcmp(s, "none") == 0)
		return 0;
	unsigned int probes = 0;
	for (const char *item = s;;) {
		const size_t n = strcspn(item, ",");
		if (n == 3 && memcmp(item, "bpf", n) == 0)
			probes |= PROBE_BPF;
		else if (n == 4 && memcmp(item, "shim", n) == 0)
			probes |= PROBE_SHIM;
		else
			argp_error(state, "--probes '%s': auto, none, bpf, shim or bpf,shim", s);
		if (item[n] == '\0')
			return probes;
		item += n + 1;
	}
}

static size_t parse_ring(const char *s, struct argp_state *state)
{
	uint64_t bytes = 0;
	if (parse_bytes(s, &bytes) < 0 || bytes < RING_MIN || bytes > RING_MAX)
		argp_error(state, "--ring '%s': a size from 4K to 1G", s);
	return (size_t)bytes;
}

static void add_ready(struct run_options *o, const char *spec)
{
	struct ready_rule rule;
	if (ready_rule_parse(spec, &rule) < 0 || vec_push(&o->ready, rule) < 0)
		exit(EXIT_TROUBLE);
}

static void parse_redact(struct run_options *o, const char *s, struct argp_state *state)
{
	char why[128];
	const int e = regcomp(&o->redact, s, REG_EXTENDED);
	if (e != 0) {
		(void)regerror(e, &o->redact, why, sizeof(why));
		argp_error(state, "--redact '%s': %s", s, why);
	}
	o->has_redact = true;
}

static void take_command(struct run_options *o, struct argp_state *state)
{
	o->command = state->argv + state->next - 1;
	state->next = state->argc;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct run_options *o = state->input;
	switch (key) {
	case 'n':
		o->runs = parse_number(arg, 1, "--runs", state);
		return 0;
	case KEY_WARMUP:
		o->warmup = parse_number(arg, 0, "--warmup", state);
		return 0;
	case KEY_UNTIL:
		parse_until(o, arg, state);
		return 0;
	case KEY_READY:
		add_ready(o, arg);
		return 0;
	case KEY_TIMEOUT:
		if (parse_duration(arg, &o->timeout_ns) < 0 || o->timeout_ns == 0)
			argp_error(state, "--timeout '%s': a duration such as 30s", arg);
		o->has_timeout = true;
		return 0;
	case KEY_STOP_SIGNAL:
		o->stop_signal = parse_signal(arg, state);
		return 0;
	case KEY_PROBES:
		o->probes = parse_probes(arg, state);
		return 0;
	case KEY_HEAP:
		if (strcmp(arg, "off") != 0 && strcmp(arg, "count") != 0)
			argp_error(state, "--heap '%s': off or count", arg);
		o->count_heap = strcmp(arg, "count") == 0;
		return 0;
	case KEY_TRACE:
		o->trace_path = arg;
		return 0;
	case 'o':
		o->output_path = arg;
		return 0;
	case OPTION_FORMAT:
		o->format = parse_format(arg, state);
		return 0;
	case KEY_USER:
		o->user = arg;
		return 0;
	case KEY_CGROUP:
		o->follow_cgroup = arg;
		return 0;
	case KEY_REDACT:
		parse_redact(o, arg, state);
		return 0;
	case KEY_RING:
		o->ring_bytes = parse_ring(arg, state);
		return 0;
	case 'q':
		o->is_quiet = true;
		be_quiet();
		return 0;
	case 'v':
		more_verbose();
		return 0;
	case ARGP_KEY_ARG:
		take_command(o, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command to run: startline run [OPTION...] -- CMD [ARG...]");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp run_argp = { options, parse_option, "-- CMD [ARG...]", doc, NULL, NULL, NULL };

void run_options_parse(int argc, char **argv, struct run_options *ret)
{
	*ret = (struct run_options){
		.runs = 1,
		.stop_signal = SIGTERM,
		.probes = PROBE_AUTO,
		.count_heap = true,
		.format = TABLE_TEXT,
	};
	if (argp_parse(&run_argp, argc, argv, ARGP_IN_ORDER, NULL, ret) != 0)
		exit(EXIT_TROUBLE);
	if (!ret->has_until)
		ret->until = ret->ready.n > 0 ? UNTIL_READY : UNTIL_EXIT;
	if (!ret->has_timeout && ret->until == UNTIL_READY)
		ret->timeout_ns = READY_TIMEOUT_NS;
}

void run_options_done(struct run_options *o)
{
	vec_foreach(rule, &o->ready)
		ready_rule_done(rule);
	vec_done(&o->ready);
	if (o->has_redact)
		regfree(&o->redact);
}
