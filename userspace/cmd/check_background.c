/* SPDX-License-Identifier: MIT */
/* Services that run while a scenario is measured. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/environment.h"
#include "userspace/base/log.h"
#include "userspace/cmd/check.h"
#include "userspace/collect/ready/service.h"

#define WHY_MAX 256

/* What events tell of a command that is recorded is found out of a service by connecting. */
static int add_rule(struct ready_rules *rules, const char *spec)
{
	struct ready_rule rule;
	char text[64];
	int r = ready_rule_parse(spec, &rule);
	if (r < 0)
		return r;
	(void)snprintf(text, sizeof(text), "tcp:localhost:%u", rule.port);
	r = ready_rules_add(rules, ready_rule_is_of_sockets(&rule) ? text : spec);
	ready_rule_done(&rule);
	return r;
}

static int start(const struct step *step, struct ready_rules *rules, struct aside *ret,
		 char why[static WHY_MAX])
{
	_cleanup_free_ char **environment = environment_with(NULL, step->environment);
	int r = environment == NULL ? fail(-ENOMEM, "not enough memory for a service") : 0;
	for (size_t i = 0; r >= 0 && i < step->ready.n; i++)
		r = add_rule(rules, step->ready.items[i]);
	const struct service_spec spec = {
		.command = { .argv = step->argv,
			     .environment = environment,
			     .directory = step->directory,
			     .user = rights_invoking(),
			     .is_shown = log_shows(LOG_INFO) },
		.rules = rules->items,
		.n_rules = rules->n,
		.timeout_ns = step->timeout_ns != 0 ? step->timeout_ns : READY_TIMEOUT_NS,
	};
	return r < 0 ? r : service_start(&spec, ret, why, WHY_MAX);
}

static const char *say(struct check *c, const struct step *step, const char *why, const char *when)
{
	return arena_printf(c->arena, "background %s: '%s': %s%s%s", step->name, step->command, why,
			    when, log_shows(LOG_INFO) ? "" : "; -v shows its output");
}

int background_start(struct check *c, const struct scenario *s, struct background *ret,
		     const char **ret_reason)
{
	*ret = (struct background){ 0 };
	if (s->n_background == 0)
		return 0;
	ret->services = arena_alloc_array(c->arena, s->n_background, sizeof(*ret->services));
	if (ret->services == NULL)
		return fail(-ENOMEM, "not enough memory for a scenario");
	aside_hold_signals();
	for (size_t i = 0; i < s->n_background; i++) {
		struct ready_rules rules = { 0 };
		char why[WHY_MAX] = "";
		ret->n++;
		const int r = start(&s->background[i], &rules, &ret->services[i], why);
		ready_rules_done(&rules);
		if (r == -ECHILD)
			*ret_reason = say(c, &s->background[i], why,
					  ret->services[i].has_ended && s->background[i].ready.n > 0
						  ? ", before it was ready"
						  : "");
		if (r == -EADDRINUSE)
			*ret_reason = arena_printf(c->arena,
						   "background %s: somebody else serves there, as "
						   "said above",
						   s->background[i].name);
		if (r < 0)
			return r == -EADDRINUSE ? -ECHILD : r;
	}
	return 0;
}

const char *background_failure(struct check *c, const struct scenario *s, struct background *b)
{
	for (size_t i = 0; i < b->n; i++) {
		char why[WHY_MAX];
		if (!aside_ended(&b->services[i]))
			continue;
		aside_explain(&b->services[i], why, sizeof(why));
		/* One that ended well may have gone into the background by itself. */
		if (why[0] != '\0')
			return say(c, &s->background[i], why, ", while the command was measured");
	}
	return NULL;
}

/* The last first: it may need the others. */
void background_stop(struct background *b)
{
	for (; b->n > 0; b->n--)
		aside_stop(&b->services[b->n - 1]);
}
