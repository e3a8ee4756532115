/* SPDX-License-Identifier: MIT */
/* One argp parser for all commands that record. Every mistake is named with what would be allowed. */

#include "userspace/cmd/record_options.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/pattern.h"
#include "userspace/base/rights.h"
#include "userspace/base/units.h"
#include "userspace/cmd/cmd.h"

#define RING_MIN 4096u
#define RING_MAX (1024ull * 1024 * 1024)

enum {
	KEY_UNTIL = OPTION_FIRST_FREE,
	KEY_READY,
	KEY_TIMEOUT,
	KEY_STOP_SIGNAL,
	KEY_PROBES,
	KEY_HEAP,
	KEY_ON_OVERRUN,
	KEY_RAW,
	KEY_STACKS,
	KEY_WAIT_STACKS,
	KEY_DEBUGINFOD,
	KEY_TRACE,
	KEY_USER,
	KEY_CGROUP,
	KEY_REDACT,
	KEY_RING,
	KEY_NO_CONNECT,
};

static const struct argp_option options[] = {
	{ "ready", KEY_READY, "SPEC", 0,
	  "what \"ready\" means; repeatable, all must hold: accept[:N|:all], listen[:N], "
	  "first-accept, first-byte, log:REGEX, notify, file:PATH, quiet, tcp:HOST:PORT, "
	  "http:URL[=STATUS], cmd:COMMAND",
	  0 },
	{ "until", KEY_UNTIL, "ready|exit|DURATION", 0,
	  "when to stop (ready if --ready is given, else exit)", 0 },
	{ "timeout", KEY_TIMEOUT, "T", 0, "give up after T (60s when waiting for ready)", 0 },
	{ "no-connect", KEY_NO_CONNECT, 0, 0,
	  "for --ready accept, do not connect to the program to see whether it accepts", 0 },
	{ "stop-signal", KEY_STOP_SIGNAL, "SIG", 0, "how the command is stopped (TERM)", 0 },
	{ "probes", KEY_PROBES, "LIST", 0, "auto, none, or a list of bpf and shim (auto)", 0 },
	{ "heap", KEY_HEAP, "MODE", 0, "off, count, sample[=BYTES] or exact (count)", 0 },
	{ "on-overrun", KEY_ON_OVERRUN, "slow|degrade", 0,
	  "with --heap exact, where records come faster than they are read: slow the program down, "
	  "or stop recording it (degrade)",
	  0 },
	{ "raw", KEY_RAW, 0, 0,
	  "with --heap exact, keep every allocation and every free in the recording", 0 },
	{ "stacks", KEY_STACKS, "off|auto|HZ", 0,
	  "sample what is on the CPU: not at all, as often as 2 % of its time allow, or HZ times a "
	  "second of it (auto)",
	  0 },
	{ "wait-stacks", KEY_WAIT_STACKS, "T", 0,
	  "waits as long as T have the stack that waited (1ms)", 0 },
	{ "debuginfod", KEY_DEBUGINFOD, "T", 0,
	  "fetch debug information that is not here from the servers of DEBUGINFOD_URLS, for T at most",
	  0 },
	{ "trace", KEY_TRACE, "FILE", 0, "the recording (a new one in .startline/)", 0 },
	{ "user", KEY_USER, "NAME", 0, "run the command as this user (under sudo: the caller)", 0 },
	{ "follow-cgroup", KEY_CGROUP, "PATH", 0, "also record the tasks of this cgroup", 0 },
	{ "redact", KEY_REDACT, "REGEX", 0,
	  "mask what matches in arguments, paths and --ready; repeatable", 0 },
	{ "ring", KEY_RING, "SIZE", 0, "bytes of the kernel's event buffer (16M)", 0 },
	{ 0 },
};

static void parse_until(struct record_options *o, const char *s, struct argp_state *state)
{
	o->has_until = true;
	if (strcmp(s, "ready") == 0)
		o->spec.until = UNTIL_READY;
	else if (strcmp(s, "exit") == 0)
		o->spec.until = UNTIL_EXIT;
	else if (parse_duration(s, &o->spec.duration_ns) == 0 && o->spec.duration_ns > 0)
		o->spec.until = UNTIL_DURATION;
	else
		argp_error(state, "--until '%s': ready, exit or a duration such as 5s", s);
}

static int parse_signal(const char *s, struct argp_state *state)
{
	uint64_t number = 0;
	if (parse_u64(s, &number) == 0 && number > 0 && number < (uint64_t)SIGRTMAX + 1)
		return (int)number;
	const char *name = strncasecmp(s, "SIG", 3) == 0 ? s + 3 : s;
	for (int signal = 1; signal < NSIG; signal++) {
		const char *known = sigabbrev_np(signal);
		if (known != NULL && strcasecmp(known, name) == 0)
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

static int parse_stacks(const char *s, struct argp_state *state)
{
	int hz = STACKS_AUTO;
	if (parse_rate(s, STACKS_HZ_MAX, &hz) < 0)
		argp_error(state, "--stacks '%s': off, auto or a rate from 1 to %d, in Hz", s,
			   STACKS_HZ_MAX);
	return hz;
}

static size_t parse_ring(const char *s, struct argp_state *state)
{
	uint64_t bytes = 0;
	if (parse_bytes(s, &bytes) < 0 || bytes < RING_MIN || bytes > RING_MAX)
		argp_error(state, "--ring '%s': a size from 4K to 1G", s);
	return (size_t)bytes;
}

int ready_rules_add(struct ready_rules *rules, const char *spec)
{
	struct ready_rule rule;
	const int r = ready_rule_parse(spec, &rule);
	if (r < 0)
		return r;
	return vec_push(rules, rule) == 0 ? 0 : fail(-ENOMEM, "not enough memory for '%s'", spec);
}

void ready_rules_done(struct ready_rules *rules)
{
	vec_foreach(rule, rules)
		ready_rule_done(rule);
	vec_done(rules);
}

static void parse_redact(struct record_options *o, const char *s, struct argp_state *state)
{
	char why[128];
	regex_t alone, both;
	if (pattern_compile(s, 0, &alone, why, sizeof(why)) < 0) {
		argp_error(state, "--redact '%s': %s", s, why);
		return;
	}
	/* What matches one of several is masked. */
	_cleanup_free_ char *text = o->redact_text;
	o->redact_text = NULL;
	if (asprintf(&o->redact_text, "%s%s%s", text != NULL ? text : "", text != NULL ? "|" : "",
		     s) < 0 ||
	    pattern_compile(o->redact_text, 0, &both, why, sizeof(why)) < 0)
		argp_failure(state, EXIT_TROUBLE, 0, "no memory for --redact");
	regfree(&alone);
	if (o->has_redact)
		regfree(&o->redact);
	o->redact = both;
	o->has_redact = true;
}

/* What was left open depends on what was said. */
static void complete(struct record_options *o)
{
	if (!o->has_until)
		o->spec.until = o->ready.n > 0 ? UNTIL_READY : UNTIL_EXIT;
	if (!o->has_timeout && o->spec.until == UNTIL_READY)
		o->spec.timeout_ns = READY_TIMEOUT_NS;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct record_options *o = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		*o = (struct record_options){ .spec = { .stop_signal = SIGTERM,
							.probes = PROBE_AUTO,
							.heap = { .kind = HEAP_COUNT } } };
		return 0;
	case ARGP_KEY_END:
		complete(o);
		if (o->spec.until == UNTIL_READY && o->ready.n == 0)
			argp_error(state,
				   "--until ready needs --ready SPEC, such as --ready accept");
		if (o->spec.keeps_blocks && o->spec.heap.kind != HEAP_EXACT)
			argp_error(state, "--raw needs --heap exact: else not every allocation is "
					  "recorded");
		return 0;
	case KEY_UNTIL:
		parse_until(o, arg, state);
		return 0;
	case KEY_READY:
		if (ready_rules_add(&o->ready, arg) < 0)
			exit(EXIT_TROUBLE);
		return 0;
	case KEY_TIMEOUT:
		if (parse_duration(arg, &o->spec.timeout_ns) < 0 || o->spec.timeout_ns == 0)
			argp_error(state, "--timeout '%s': a duration such as 30s", arg);
		o->has_timeout = true;
		return 0;
	case KEY_STOP_SIGNAL:
		o->spec.stop_signal = parse_signal(arg, state);
		return 0;
	case KEY_PROBES:
		o->spec.probes = parse_probes(arg, state);
		return 0;
	case KEY_HEAP:
		o->has_heap = true;
		if (parse_heap_mode(arg, &o->spec.heap) < 0)
			argp_error(state, "--heap '%s': " HEAP_MODE_WORDS, arg);
		return 0;
	case KEY_ON_OVERRUN:
		o->spec.slows_on_overrun = strcmp(arg, "slow") == 0;
		if (!o->spec.slows_on_overrun && strcmp(arg, "degrade") != 0)
			argp_error(state, "--on-overrun '%s': slow or degrade", arg);
		return 0;
	case KEY_RAW:
		o->spec.keeps_blocks = true;
		return 0;
	case KEY_STACKS:
		o->spec.stacks_hz = parse_stacks(arg, state);
		return 0;
	case KEY_WAIT_STACKS:
		if (parse_duration(arg, &o->spec.wait_stacks_ns) < 0 || o->spec.wait_stacks_ns == 0)
			argp_error(state, "--wait-stacks '%s': a duration such as 200us", arg);
		return 0;
	case KEY_DEBUGINFOD:
		if (parse_duration(arg, &o->spec.debuginfod_ns) < 0 || o->spec.debuginfod_ns == 0)
			argp_error(state, "--debuginfod '%s': a duration such as 30s", arg);
		return 0;
	case KEY_TRACE:
		o->trace_path = arg;
		return 0;
	case KEY_USER:
		o->user = arg;
		return 0;
	case KEY_CGROUP:
		o->spec.follow_cgroup = arg;
		return 0;
	case KEY_REDACT:
		parse_redact(o, arg, state);
		return 0;
	case KEY_NO_CONNECT:
		o->spec.no_connect = true;
		return 0;
	case KEY_RING:
		o->spec.ring_bytes = parse_ring(arg, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp record_argp = { options, parse_option, NULL, NULL, NULL, NULL, NULL };

void record_options_done(struct record_options *o)
{
	ready_rules_done(&o->ready);
	if (o->has_redact)
		regfree(&o->redact);
	free(o->redact_text);
}

static int set_user(const struct record_options *o, struct collect_spec *spec)
{
	spec->user = rights_invoking();
	if (o->user == NULL)
		return 0;
	const int r = rights_named(o->user, &spec->user);
	if (r < 0)
		return fail(r == -ENOENT ? -EINVAL : r, "--user '%s': %s", o->user,
			    r == -ENOENT ? "there is no such user" : strerror(-r));
	if (geteuid() == 0)
		return 0;
	if (spec->user->uid != geteuid())
		return fail(-EPERM, "--user '%s': only root can run as somebody else", o->user);
	spec->user = NULL;
	return 0;
}

int record_options_spec(const struct record_options *o, struct collect_spec *ret)
{
	*ret = o->spec;
	ret->redact = o->has_redact ? &o->redact : NULL;
	ret->rules = o->ready.items;
	ret->n_rules = o->ready.n;
	return set_user(o, ret);
}
