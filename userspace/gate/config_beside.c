/* SPDX-License-Identifier: MIT */
/* What stands beside a command: its environment, what prepares a run, what puts a load on it, services
 * that it needs, and containers that are started for it. */

#include <errno.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/environment.h"
#include "userspace/base/log.h"
#include "userspace/gate/config_internal.h"
#include "userspace/trace/ready.h"

#define VARIABLES_MAX ((size_t)1000)
#define SERVICES_MAX  ((size_t)32)

int retries_refuse(struct reader *r, node *mapping)
{
	node *n = node_is_mapping(mapping) ? node_find(r, mapping, "retries") : NULL;
	if (n == NULL)
		return 0;
	return node_error(r, n,
			  "there are no `retries`: to repeat what is red until it is green finds "
			  "nothing but luck. Runs that the machine disturbed are repeated anyway; "
			  "more `runs` are more certain");
}

/* --- env ------------------------------------------------------------------------------------ */

static bool is_variable(const char *name)
{
	const size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_");
	return n > 0 && name[n] == '\0' && strchr("0123456789", name[0]) == NULL;
}

static int read_variable(struct reader *r, node *key, node *value, char **ret)
{
	const char *name = NULL, *text = "";
	int e = node_text(r, key, "the name of a variable", &name);
	if (e == 0 && !is_variable(name))
		e = node_error(r, key, "'%s' is no name for a variable: letters, digits and _",
			       name);
	const bool is_empty = value->type == YAML_SCALAR_NODE && value->data.scalar.length == 0;
	if (e == 0 && !is_empty)
		e = node_text(r, value, "a value, as in '{ MODE: fast }'", &text);
	if (e < 0)
		return e;
	*ret = arena_printf(r->arena, "%s=%s", name, text);
	return *ret != NULL ? 0 : reader_no_memory(r);
}

int environment_read(struct reader *r, node *mapping, char ***environment)
{
	node *n = node_find(r, mapping, "env");
	size_t outer = 0;
	if (n == NULL)
		return 0;
	if (!node_is_mapping(n) || node_count(n) > VARIABLES_MAX)
		return node_error(r, n,
				  "expected variables and their values, as in "
				  "'{ MODE: fast }'");
	for (char **item = *environment; item != NULL && *item != NULL; item++)
		outer++;
	char **all = arena_alloc_array(r->arena, outer + node_count(n) + 1, sizeof(*all));
	if (all == NULL)
		return reader_no_memory(r);
	for (size_t i = 0; i < outer; i++)
		all[i] = (*environment)[i];
	for (size_t i = 0; i < node_count(n); i++) {
		node *key, *value;
		node_pair(r, n, i, &key, &value);
		const int e = read_variable(r, key, value, &all[outer + i]);
		if (e < 0)
			return e;
		for (size_t k = outer; k < outer + i; k++) {
			if (environment_is_same(all[outer + i], all[k]))
				return node_error(r, key, "'%s' is given twice",
						  (const char *)key->data.scalar.value);
		}
	}
	*environment = all;
	return 0;
}

/* --- prepare, load -------------------------------------------------------------------------- */

int helpers_read(struct reader *r, node *mapping, struct step *ret)
{
	int e = take_text(r, mapping, "prepare", "a command such as ./reset-db", &ret->prepare);
	if (e == 0)
		e = take_text(r, mapping, "load", "a command such as ./smoke-test", &ret->load);
	if (e == 0 && ret->load != NULL && ret->ready.n == 0)
		return node_error(
			r, node_find(r, mapping, "load"),
			"`load` is run once the command is ready: say when that is, as in "
			"'ready: accept'");
	return e;
}

/* --- background ----------------------------------------------------------------------------- */

/* What is known of a service is what can be asked from outside. */
static int check_ready(struct reader *r, node *mapping, const struct step *service)
{
	node *n = node_find(r, mapping, "ready");
	for (size_t i = 0; i < service->ready.n; i++) {
		struct ready_rule rule;
		if (ready_rule_parse(service->ready.items[i], &rule) < 0)
			return -EINVAL;
		const bool can_ask = ready_rule_is_watched(&rule) && rule.type != READY_QUIET;
		const bool has_port =
			(rule.type == READY_ACCEPT || rule.type == READY_LISTEN) && rule.port != 0;
		ready_rule_done(&rule);
		if (!can_ask && !has_port)
			return node_error(
				r, node_is_list(n) ? node_item(r, n, i) : n,
				"'%s': of a service in the background it is not known; "
				"write accept:PORT, tcp:HOST:PORT, http:URL, cmd:COMMAND, "
				"file:PATH or notify",
				service->ready.items[i]);
	}
	return 0;
}

static int read_service(struct reader *r, node *name, node *n, struct step *ret)
{
	static const char *const keys[] = { "command", "shell",	  "directory", "env",
					    "ready",   "timeout", NULL };
	int e = node_text(r, name, "the name of a service", &ret->name);
	if (e == 0)
		e = node_check_keys(r, n, "a service", keys);
	if (e == 0)
		e = step_read_alone(r, n, ret);
	if (e == 0)
		e = environment_read(r, n, &ret->environment);
	return e < 0 ? e : check_ready(r, n, ret);
}

static int read_background(struct reader *r, node *mapping, struct scenario *ret)
{
	node *n = node_find(r, mapping, "background");
	if (n == NULL)
		return 0;
	if (!node_is_mapping(n) || node_count(n) > SERVICES_MAX)
		return node_error(r, n,
				  "expected at most %zu services by name, as in '{ db: { command: "
				  "postgres -D data, ready: \"accept:5432\" } }'",
				  SERVICES_MAX);
	ret->n_background = node_count(n);
	ret->background = arena_alloc_array(r->arena, ret->n_background + 1, sizeof(struct step));
	if (ret->background == NULL)
		return reader_no_memory(r);
	for (size_t i = 0; i < ret->n_background; i++) {
		node *name, *service;
		node_pair(r, n, i, &name, &service);
		ret->background[i].environment = ret->environment;
		const int e = read_service(r, name, service, &ret->background[i]);
		if (e < 0)
			return e;
		for (size_t k = 0; k < i; k++) {
			if (strcmp(ret->background[k].name, ret->background[i].name) == 0)
				return node_error(r, name, "'%s' is given twice",
						  ret->background[i].name);
		}
	}
	return 0;
}

/* --- containers ----------------------------------------------------------------------------- */

static int read_containers(struct reader *r, node *mapping, struct scenario *ret)
{
	int e = take_text(r, mapping, "follow_cgroup", "the path of a cgroup", &ret->follow_cgroup);
	if (e == 0)
		e = take_bool(r, mapping, "containers", &ret->has_containers);
	return e;
}

int surroundings_read(struct reader *r, node *mapping, struct scenario *ret)
{
	int e = environment_read(r, mapping, &ret->environment);
	if (e == 0)
		e = read_background(r, mapping, ret);
	return e < 0 ? e : read_containers(r, mapping, ret);
}
