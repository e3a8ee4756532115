/* SPDX-License-Identifier: MIT */
/* The words of --ready: parsing, and what is known about each without any event. */

#include "userspace/trace/ready.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/log.h"
#include "userspace/base/nearest.h"
#include "userspace/base/pattern.h"
#include "userspace/base/units.h"

enum argument { ARGUMENT_NONE, ARGUMENT_OPTIONAL, ARGUMENT_REQUIRED };

/* By type. "accept" is there twice: its argument decides. */
struct word {
	const char *name;
	enum argument argument;
	bool is_watched;
	bool is_polled;
	bool is_of_sockets;
	const char *level;
	const char *usage;
};

/* clang-format off */
static const struct word words[] = {
	[READY_ACCEPT] = { "accept", ARGUMENT_OPTIONAL, false, false, true, "accept_ready", "accept, accept:PORT or accept:all" },
	[READY_ACCEPT_ALL] = { "accept", ARGUMENT_OPTIONAL, false, false, true, "accept_ready", "accept:all" },
	[READY_LISTEN] = { "listen", ARGUMENT_OPTIONAL, false, false, true, "listen", "listen or listen:PORT" },
	[READY_FIRST_ACCEPT] = { "first-accept", ARGUMENT_NONE, false, false, true, "first_accept", "first-accept" },
	[READY_FIRST_BYTE] = { "first-byte", ARGUMENT_NONE, false, false, true, "first_byte", "first-byte" },
	[READY_LOG] = { "log", ARGUMENT_REQUIRED, false, false, false, "notified", "log:REGEX, as in 'log:server started'" },
	[READY_NOTIFY] = { "notify", ARGUMENT_NONE, true, false, false, "notified", "notify" },
	[READY_FILE] = { "file", ARGUMENT_REQUIRED, true, false, false, "notified", "file:PATH" },
	[READY_QUIET] = { "quiet", ARGUMENT_NONE, true, false, false, "quiet", "quiet" },
	[READY_TCP] = { "tcp", ARGUMENT_REQUIRED, true, true, false, "notified", "tcp:HOST:PORT, as in tcp:localhost:5432" },
	[READY_HTTP] = { "http", ARGUMENT_REQUIRED, true, true, false, "notified", "http:URL or http:URL=STATUS, as in http://localhost:8080/health=200" },
	[READY_CMD] = { "cmd", ARGUMENT_REQUIRED, true, true, false, "notified", "cmd:COMMAND, as in 'cmd:pg_isready -q'" },
};
/* clang-format on */
#define WORD_BYTES 64
#define N_WORDS	   (sizeof(words) / sizeof(words[0]))

static bool type_named(const char *spec, size_t length, enum ready_type *ret)
{
	for (size_t i = 0; i < N_WORDS; i++) {
		if (strlen(words[i].name) == length && strncmp(words[i].name, spec, length) == 0) {
			*ret = (enum ready_type)i;
			return true;
		}
	}
	return false;
}

static int parse_port(const char *text, uint16_t *ret)
{
	uint64_t port = 0;
	if (parse_u64(text, &port) < 0 || port == 0 || port > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

/* "HOST:PORT", the host perhaps an IPv6 address in brackets. */
static int parse_host_port(const char *text, uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':');
	if (colon == NULL || colon == text)
		return -EINVAL;
	/* "::1:80" could be an address or an address and a port: brackets are asked for. */
	if (text[0] != '[' && memchr(text, ':', (size_t)(colon - text)) != NULL)
		return -EINVAL;
	return parse_port(colon + 1, ret_port);
}

static int parse_http(const struct ready_rule *rule)
{
	const char *url = rule->argument;
	if (strncmp(url, "https:", 6) == 0)
		return fail(-EINVAL,
			    "--ready '%s': https cannot be probed; use 'cmd:curl -fsk -o /dev/null "
			    "%s'",
			    rule->spec, url);
	if (strncmp(url, "http:", 5) == 0)
		url += 5;
	if (strncmp(url, "//", 2) == 0)
		url += 2;
	return *url == '\0' || *url == '/' || *url == ':' || strpbrk(url, " \t\r\n") != NULL
		       ? -EINVAL
		       : 0;
}

static int parse_regex(struct ready_rule *rule)
{
	char why[256];
	if (pattern_compile(rule->argument, REG_NOSUB, &rule->regex, why, sizeof(why)) < 0)
		return fail(-EINVAL, "--ready '%s': not a POSIX extended regular expression: %s",
			    rule->spec, why);
	rule->has_regex = true;
	return 0;
}

static int parse_accept(struct ready_rule *rule)
{
	if (strcmp(rule->argument, "all") == 0) {
		rule->type = READY_ACCEPT_ALL;
		return 0;
	}
	return parse_port(rule->argument, &rule->port);
}

/* -EINVAL may be silent: the caller says what is expected. */
static int parse_argument(struct ready_rule *rule, bool *ret_is_said)
{
	uint16_t port;
	int rc;
	switch (rule->type) {
	case READY_ACCEPT:
	case READY_ACCEPT_ALL:
		return parse_accept(rule);
	case READY_LISTEN:
		return parse_port(rule->argument, &rule->port);
	case READY_TCP:
		return parse_host_port(rule->argument, &port);
	case READY_HTTP:
		*ret_is_said = strncmp(rule->argument, "https:", 6) == 0;
		return parse_http(rule);
	case READY_LOG:
		rc = parse_regex(rule);
		*ret_is_said = rc < 0;
		return rc;
	case READY_FIRST_ACCEPT:
	case READY_FIRST_BYTE:
	case READY_NOTIFY:
	case READY_FILE:
	case READY_QUIET:
	case READY_CMD:
		return 0;
	}
	return -EINVAL;
}

static int parse_rule(const char *colon, struct ready_rule *rule)
{
	const struct word *word = &words[rule->type];
	const bool has_argument = colon != NULL && colon[1] != '\0';
	if (colon != NULL && (!has_argument || word->argument == ARGUMENT_NONE))
		return fail(-EINVAL, "--ready '%s': expected %s", rule->spec, word->usage);
	if (!has_argument && word->argument == ARGUMENT_REQUIRED)
		return fail(-EINVAL, "--ready '%s': expected %s", rule->spec, word->usage);
	if (!has_argument)
		return 0;

	bool is_said = false;
	const int rc = parse_argument(rule, &is_said);
	if (rc < 0 && !is_said)
		return fail(rc, "--ready '%s': expected %s", rule->spec, word->usage);
	return rc;
}

static int refuse_word(const char *spec, size_t length)
{
	const char *names[N_WORDS + 1] = { NULL };
	char word[WORD_BYTES];
	for (size_t i = 0; i < N_WORDS; i++)
		names[i] = words[i].name;
	(void)snprintf(word, sizeof(word), "%.*s", (int)length, spec);
	const char *meant = nearest_word(word, names);
	return fail(-EINVAL,
		    "--ready '%s': unknown condition; %s%s%s accept[:PORT|:all], "
		    "listen[:PORT], first-accept, first-byte, log:REGEX, notify, file:PATH, "
		    "quiet, tcp:HOST:PORT, http:URL[=STATUS], cmd:COMMAND",
		    spec, meant != NULL ? "did you mean '" : "", meant != NULL ? meant : "",
		    meant != NULL ? "'? There are" : "there are");
}

int ready_rule_parse(const char *spec, struct ready_rule *ret)
{
	const size_t length = strcspn(spec, ":");
	/* As people write URLs. */
	const bool is_https = strncmp(spec, "https://", 8) == 0;
	enum ready_type type = READY_HTTP;
	if (!is_https && !type_named(spec, length, &type))
		return refuse_word(spec, length);

	struct ready_rule rule = { .type = type, .spec = strdup(spec) };
	if (rule.spec == NULL)
		return fail(-ENOMEM, "no memory for --ready");
	const char *colon = spec[length] == ':' ? rule.spec + length : NULL;
	rule.argument = is_https	? rule.spec
			: colon != NULL ? colon + 1
					: rule.spec + strlen(rule.spec);
	const int rc = parse_rule(colon, &rule);
	if (rc < 0) {
		ready_rule_done(&rule);
		return rc;
	}
	*ret = rule;
	return 0;
}

void ready_rule_done(struct ready_rule *rule)
{
	if (rule->has_regex)
		regfree(&rule->regex);
	free(rule->spec);
	*rule = (struct ready_rule){ .argument = "" };
}

bool ready_rule_is_watched(const struct ready_rule *rule)
{
	return words[rule->type].is_watched;
}

bool ready_rule_is_polled(const struct ready_rule *rule)
{
	return words[rule->type].is_polled;
}

bool ready_rule_is_of_sockets(const struct ready_rule *rule)
{
	return words[rule->type].is_of_sockets;
}

const char *ready_rule_level(const struct ready_rule *rule)
{
	return words[rule->type].level;
}
