/* SPDX-License-Identifier: MIT */
/* One scenario of startline.yml, in one cell of its matrix. */

#include <errno.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/log.h"
#include "userspace/base/shellwords.h"
#include "userspace/base/units.h"
#include "userspace/gate/config_internal.h"
#include "userspace/trace/ready.h"

#define RUNS_MAX	 ((size_t)100000)
#define STACKS_MAX	 10000 /* Hz */
#define RUNS_DEFAULT	 10
#define MAX_TIME_DEFAULT (60 * NS_PER_S)
#define STEPS_MAX	 ((size_t)100)

#define STEP_KEYS                                                                          \
	"command", "shell", "directory", "ready", "connect", "timeout", "prepare", "load", \
		"target", "budgets"

/* --- what may also stand at the top --------------------------------------------------------- */

static int read_levels_of(struct reader *r, node *mapping, const char *key, struct levels *ret)
{
	static const char *const keys[] = { "warn", "fail", NULL };
	node *n = node_find(r, mapping, key);
	if (n == NULL)
		return 0;
	int e = node_check_keys(r, n, "levels", keys);
	if (e == 0)
		e = take_share(r, n, "warn", &ret->warn);
	if (e == 0)
		e = take_share(r, n, "fail", &ret->fail);
	if (e == 0 && ret->warn > ret->fail && node_find(r, n, "fail") == NULL)
		ret->fail = ret->warn;
	if (e == 0 && ret->warn > ret->fail && node_find(r, n, "warn") == NULL)
		ret->warn = ret->fail;
	if (e == 0 && ret->warn > ret->fail)
		return node_error(r, n, "`warn` is above `fail`: it comes first");
	return e;
}

static int read_levels(struct reader *r, node *mapping, struct scenario *ret)
{
	static const char *const keys[] = { "budget", "baseline", "exact", NULL };
	node *n = node_find(r, mapping, "levels");
	if (n == NULL)
		return 0;
	int e = node_check_keys(r, n, "levels", keys);
	if (e == 0)
		e = read_levels_of(r, n, "budget", &ret->budget_levels);
	if (e == 0)
		e = take_share(r, n, "exact", &ret->baseline_levels.exact);
	return e < 0 ? e : read_levels_of(r, n, "baseline", &ret->baseline_levels);
}

static int split(struct reader *r, node *at, const char *text, char ***ret)
{
	const char *error = NULL;
	size_t offset = 0;
	const int e = shellwords_split(r->arena, text, ret, NULL, &error, &offset);
	if (e == -ENOMEM)
		return reader_no_memory(r);
	const bool is_raw = strcmp(text, (const char *)at->data.scalar.value) == 0;
	return e < 0 ? node_error_at(r, at, is_raw ? offset : 0, "this command: %s", error) : 0;
}

/* Nothing would do what it says: the program would be given it as an argument. */
static int check_no_shell(struct reader *r, node *at, const char *text)
{
	size_t n = 0;
	const char *found = shellwords_needs_shell(text, &n);
	if (found == NULL)
		return 0;
	const bool is_raw = at->type == YAML_SCALAR_NODE &&
			    strcmp(text, (const char *)at->data.scalar.value) == 0;
	if (found[n - 1] == '=')
		return node_error_at(r, at, is_raw ? (size_t)(found - text) : 0,
				     "this command: '%.*s' is for a shell, and none is used: write "
				     "`env: { %.*s: … }`",
				     (int)n, found, (int)n - 1, found);
	return node_error_at(r, at, is_raw ? (size_t)(found - text) : 0,
			     "this command: '%.*s' is for a shell, and none is used: write `shell: "
			     "true` beside it, or put it into quotes",
			     (int)n, found);
}

static int read_base(struct reader *r, node *mapping, struct scenario *ret)
{
	static const struct {
		const char *key, *what;
		enum base_kind kind;
	} kinds[] = {
		{ "worktree", "a git revision such as origin/main", BASE_WORKTREE },
		{ "command", "a command", BASE_COMMAND },
		{ "directory", "a directory", BASE_DIRECTORY },
	};
	static const char *const keys[] = { "worktree", "command", "directory", "setup", NULL };
	node *n = node_find(r, mapping, "base");
	if (n == NULL)
		return 0;
	int e = node_check_keys(r, n, "base", keys);
	ret->base_kind = BASE_NONE;
	ret->setup = NULL;
	for (size_t i = 0; e == 0 && i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (node_find(r, n, kinds[i].key) == NULL)
			continue;
		if (ret->base_kind != BASE_NONE)
			return node_error(r, n,
					  "a base is one of `worktree`, `command` and `directory`: "
					  "remove the others");
		ret->base_kind = kinds[i].kind;
		e = take_text(r, n, kinds[i].key, kinds[i].what, &ret->base);
	}
	if (e == 0 && ret->base_kind == BASE_NONE)
		return node_error(r, n,
				  "the base is missing: write 'worktree: origin/main', "
				  "'command: …' or 'directory: …'");
	if (e == 0 && ret->base_kind == BASE_COMMAND)
		e = split(r, node_find(r, n, "command"), ret->base, &ret->base_argv);
	return e < 0 ? e : take_text(r, n, "setup", "a command such as make", &ret->setup);
}

static int read_gate(struct reader *r, node *mapping, struct scenario *ret)
{
	node *n = node_find(r, mapping, "gate");
	int e = take_texts(r, mapping, "gate", "the name of a metric", &ret->gate);
	/* Other tools' metrics are known when their results are read. */
	const bool is_foreign = node_find(r, mapping, "results") != NULL;
	for (size_t i = 0; e == 0 && n != NULL && !is_foreign && i < ret->gate.n; i++)
		e = metric_check(r, node_is_list(n) ? node_item(r, n, i) : n, ret->gate.items[i]);
	return e;
}

static int read_heap(struct reader *r, node *mapping, struct scenario *ret)
{
	const char *text = NULL;
	const int e = take_text(r, mapping, "heap", HEAP_MODE_WORDS, &text);
	if (e < 0 || text == NULL)
		return e;
	ret->has_heap = true;
	/* Bare `off` is a boolean to some writers of YAML. */
	return parse_heap_mode(strcmp(text, "false") == 0 ? "off" : text, &ret->heap) == 0
		       ? 0
		       : node_error(r, node_find(r, mapping, "heap"),
				    "heap '%s': write " HEAP_MODE_WORDS, text);
}

static int read_stacks(struct reader *r, node *mapping, struct scenario *ret)
{
	const char *text = NULL;
	const int e = take_text(r, mapping, "stacks", "off, auto or a rate in Hz", &text);
	if (e < 0 || text == NULL)
		return e;
	/* Bare `off` is a boolean to some writers of YAML. */
	if (strcmp(text, "false") == 0)
		text = "off";
	return parse_rate(text, STACKS_MAX, &ret->stacks_hz) == 0
		       ? 0
		       : node_error(r, node_find(r, mapping, "stacks"),
				    "stacks '%s': write off, auto or a rate from 1 to %d, in Hz",
				    text, STACKS_MAX);
}

static int read_baseline(struct reader *r, node *mapping, struct scenario *ret)
{
	const int e = take_text(r, mapping, "baseline", "the name of a baseline", &ret->baseline);
	if (e == 0 && ret->baseline != NULL && *ret->baseline == '@')
		ret->baseline++;
	return e;
}

int scenario_read_common(struct reader *r, node *mapping, struct scenario *ret)
{
	int e = take_count(r, mapping, "runs", 1, RUNS_MAX, &ret->runs);
	if (e == 0)
		e = take_count(r, mapping, "warmup", 0, RUNS_MAX, &ret->warmup);
	if (e == 0)
		e = take_duration(r, mapping, "max_time", &ret->max_time_ns);
	if (e == 0)
		e = take_duration(r, mapping, "wait_stacks", &ret->wait_stacks_ns);
	if (e == 0)
		e = take_duration(r, mapping, "debuginfod", &ret->debuginfod_ns);
	if (e == 0)
		e = read_base(r, mapping, ret);
	if (e == 0)
		e = read_baseline(r, mapping, ret);
	if (e == 0)
		e = read_levels(r, mapping, ret);
	if (e == 0)
		e = read_gate(r, mapping, ret);
	if (e == 0)
		e = read_heap(r, mapping, ret);
	if (e == 0)
		e = read_stacks(r, mapping, ret);
	if (e == 0)
		e = surroundings_read(r, mapping, ret);
	return e < 0 ? e : take_texts(r, mapping, "inputs", "a path", &ret->inputs);
}

/* --- steps ---------------------------------------------------------------------------------- */

/* NULL: no memory. */
static char **shell_argv(struct reader *r, const char *command)
{
	char **argv = arena_alloc_array(r->arena, 4, sizeof(*argv));
	if (argv == NULL)
		return NULL;
	argv[0] = arena_strdup(r->arena, "/bin/sh");
	argv[1] = arena_strdup(r->arena, "-c");
	argv[2] = arena_strdup(r->arena, command);
	return argv[0] != NULL && argv[1] != NULL && argv[2] != NULL ? argv : NULL;
}

static int read_command(struct reader *r, node *mapping, struct step *ret)
{
	node *n = node_find(r, mapping, "command");
	bool has_shell = false;
	if (n == NULL)
		return node_error(r, mapping,
				  "`command` is missing: what to run, as in 'command: ./server'");
	int e = node_text(r, n, "a command such as \"./server --port 8080\"", &ret->command);
	if (e == 0)
		e = take_bool(r, mapping, "shell", &has_shell);
	if (e == 0 && !has_shell)
		e = split(r, n, ret->command, &ret->argv);
	if (e < 0 || !has_shell)
		return e < 0 ? e : check_no_shell(r, n, ret->command);
	ret->argv = shell_argv(r, ret->command);
	return ret->argv != NULL ? 0 : reader_no_memory(r);
}

/* The same parser as that of --ready; it says what is wrong, this says where. */
static int read_ready(struct reader *r, node *mapping, struct step *ret)
{
	node *n = node_find(r, mapping, "ready");
	bool may_connect = true;
	int e = take_texts(r, mapping, "ready", "what \"ready\" means, such as accept",
			   &ret->ready);
	for (size_t i = 0; e == 0 && n != NULL && i < ret->ready.n; i++) {
		struct ready_rule rule;
		if (ready_rule_parse(ret->ready.items[i], &rule) < 0)
			e = node_error(r, node_is_list(n) ? node_item(r, n, i) : n,
				       "ready '%s' is not understood, as said above",
				       ret->ready.items[i]);
		else
			ready_rule_done(&rule);
	}
	if (e == 0)
		e = take_bool(r, mapping, "connect", &may_connect);
	ret->no_connect = !may_connect;
	return e;
}

static int read_directory(struct reader *r, node *mapping, struct step *ret)
{
	node *n = node_find(r, mapping, "directory");
	if (n == NULL)
		return 0;
	ret->directory_at =
		arena_printf(r->arena, "%d:%zu", node_line(n), n->start_mark.column + 1);
	return ret->directory_at == NULL
		       ? reader_no_memory(r)
		       : take_text(r, mapping, "directory", "a directory", &ret->directory);
}

int step_read_alone(struct reader *r, node *mapping, struct step *ret)
{
	ret->line = node_line(mapping);
	int e = read_command(r, mapping, ret);
	if (e == 0)
		e = read_ready(r, mapping, ret);
	if (e == 0)
		e = take_duration(r, mapping, "timeout", &ret->timeout_ns);
	return e < 0 ? e : read_directory(r, mapping, ret);
}

/* Where the command of a base stands: in the scenario or at the top, which is not at hand. */
static node *base_command_of(struct reader *r, node *mapping)
{
	node *base = node_find(r, mapping, "base");
	return base != NULL ? node_find(r, base, "command") : mapping;
}

static int read_whole_step(struct reader *r, node *mapping, const struct scenario *s,
			   struct step *ret)
{
	ret->environment = s->environment;
	const int e = step_read_alone(r, mapping, ret);
	return e < 0 ? e : helpers_read(r, mapping, ret);
}

/* The command of a base is run as the one that it is compared with. */
static int read_only_step(struct reader *r, node *mapping, struct scenario *ret)
{
	bool has_shell = false;
	ret->n_steps = 1;
	ret->steps = arena_alloc(r->arena, sizeof(*ret->steps));
	int e = ret->steps != NULL ? read_whole_step(r, mapping, ret, ret->steps)
				   : reader_no_memory(r);
	if (e == 0)
		e = take_bool(r, mapping, "shell", &has_shell);
	if (e < 0 || ret->base_kind != BASE_COMMAND)
		return e;
	if (!has_shell)
		return check_no_shell(r, base_command_of(r, mapping), ret->base);
	ret->base_argv = shell_argv(r, ret->base);
	return ret->base_argv != NULL ? 0 : reader_no_memory(r);
}

static const char *main_metric_of(const struct step *step)
{
	return step->ready.n > 0 ? "startup.ready" : "time.wall";
}

const char *scenario_main_metric(const struct scenario *s)
{
	return s->n_steps == 1 ? main_metric_of(&s->steps[0]) : "time.wall";
}

static void add_name(struct text_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->items[i], name) == 0)
			return;
	}
	list->items[list->n++] = name;
}

int scenario_baselines(struct arena *arena, const struct scenario *s, struct text_list *ret)
{
	*ret = (struct text_list){ .items = arena_alloc_array(arena, s->n_budgets + 1,
							      sizeof(*ret->items)) };
	if (ret->items == NULL)
		return -ENOMEM;
	if (s->baseline != NULL)
		add_name(ret, s->baseline);
	for (size_t i = 0; i < s->n_budgets; i++) {
		if (s->budgets[i].baseline != NULL)
			add_name(ret, s->budgets[i].baseline);
	}
	return 0;
}

int scenario_gate_metrics(struct arena *arena, const struct scenario *s, struct text_list *ret)
{
	*ret = s->gate;
	if (ret->n > 0)
		return 0;
	ret->items = arena_alloc_array(arena, metrics_count() + 1, sizeof(*ret->items));
	if (ret->items == NULL)
		return -ENOMEM;
	ret->items[ret->n++] = scenario_main_metric(s);
	for (const struct metric *metric = metrics; metric->id != NULL; metric++) {
		if ((metric->traits & METRIC_GATED) != 0)
			ret->items[ret->n++] = metric->id;
	}
	return 0;
}

static int read_step(struct reader *r, node *n, const struct scenario *s, struct step *ret)
{
	static const char *const keys[] = { "name", STEP_KEYS, "env", NULL };
	int e = retries_refuse(r, n);
	if (e == 0)
		e = node_check_keys(r, n, "a step", keys);
	if (e == 0 && node_find(r, n, "name") == NULL)
		return node_error(r, n, "`name` is missing: a step has one, as in 'name: build'");
	if (e == 0)
		e = take_text(r, n, "name", "a name", &ret->name);
	if (e == 0)
		e = read_whole_step(r, n, s, ret);
	if (e == 0)
		e = environment_read(r, n, &ret->environment);
	const struct budget_place place = {
		.scenario = s,
		.main_metric = main_metric_of(ret),
		.is_step = true,
	};
	return e < 0 ? e : budgets_read(r, n, &place, &ret->budgets, &ret->n_budgets);
}

static int check_gate_of_sum(struct reader *r, node *mapping, const struct scenario *s)
{
	for (size_t i = 0; i < s->gate.n; i++) {
		if (!metric_is(s->gate.items[i], METRIC_ADDS_UP))
			return node_error(r, mapping, "gate: %s does not add up over steps",
					  s->gate.items[i]);
	}
	return 0;
}

static int read_steps(struct reader *r, node *mapping, struct scenario *ret)
{
	static const char *const not_here[] = { "command", "shell",   "directory",
						"ready",   "connect", "timeout",
						"prepare", "load",    NULL };
	node *list = node_find(r, mapping, "steps");
	for (const char *const *key = not_here; *key != NULL; key++) {
		if (node_find(r, mapping, *key) != NULL)
			return node_error(r, node_find(r, mapping, *key),
					  "with `steps`, `%s` belongs in a step", *key);
	}
	if (!node_is_list(list) || node_count(list) == 0 || node_count(list) > STEPS_MAX)
		return node_error(r, list,
				  "expected a list of 1 to %zu steps, as in "
				  "'- { name: build, command: make }'",
				  STEPS_MAX);
	if (ret->base_kind != BASE_NONE)
		return node_error(r, mapping,
				  "`base` is for a scenario with one command: make the "
				  "step that is to be compared a scenario");
	ret->n_steps = node_count(list);
	ret->steps = arena_alloc_array(r->arena, ret->n_steps, sizeof(*ret->steps));
	if (ret->steps == NULL)
		return reader_no_memory(r);
	for (size_t i = 0; i < ret->n_steps; i++) {
		const int e = read_step(r, node_item(r, list, i), ret, &ret->steps[i]);
		if (e < 0)
			return e;
	}
	return check_gate_of_sum(r, mapping, ret);
}

/* --- results of others ---------------------------------------------------------------------- */

static int read_results(struct reader *r, node *mapping, struct scenario *ret)
{
	static const char *const not_here[] = {
		"command", "shell",  "directory",   "ready",	     "connect",	   "timeout",
		"steps",   "runs",   "warmup",	    "max_time",	     "base",	   "inputs",
		"heap",	   "stacks", "wait_stacks", "debuginfod",    "target",	   "prepare",
		"load",	   "env",    "background",  "follow_cgroup", "containers", NULL
	};
	for (const char *const *key = not_here; *key != NULL; key++) {
		if (node_find(r, mapping, *key) != NULL)
			return node_error(r, node_find(r, mapping, *key),
					  "with `results` nothing is run: `%s` has no meaning",
					  *key);
	}
	ret->base_kind = BASE_NONE;
	ret->n_steps = 1;
	ret->steps = arena_alloc(r->arena, sizeof(*ret->steps));
	if (ret->steps == NULL)
		return reader_no_memory(r);
	ret->steps->line = node_line(mapping);
	const int e = take_text(r, mapping, "results", "a file of results", &ret->results);
	ret->steps->command = ret->results;
	return e;
}

/* --- the scenario --------------------------------------------------------------------------- */

static int read_name(struct reader *r, node *mapping, struct scenario *ret)
{
	struct reader without = *r;
	without.n_parameters = 0;
	node *n = node_find(r, mapping, "name");
	if (n == NULL)
		return node_error(r, mapping,
				  "`name` is missing: a scenario has one, as in 'name: start'");
	return node_text(&without, n, "a name", &ret->group);
}

int scenario_read(struct reader *r, node *mapping, struct scenario *ret,
		  struct spanning_list *spanning)
{
	static const char *const keys[] = { "name",    STEP_KEYS, COMMON_KEYS, "steps",
					    "results", "matrix",  NULL };
	int e = retries_refuse(r, mapping);
	if (e == 0)
		e = node_check_keys(r, mapping, "a scenario", keys);
	ret->line = node_line(mapping);
	ret->parameters =
		arena_memdup(r->arena, r->parameters, r->n_parameters * sizeof(*r->parameters));
	ret->n_parameters = r->n_parameters;
	if (e == 0)
		e = read_name(r, mapping, ret);
	if (e == 0)
		e = scenario_read_common(r, mapping, ret);
	if (e < 0)
		return e;
	/* Ten runs unless they take too long; whoever gives a number gets it. */
	if (ret->runs == 0 && ret->max_time_ns == 0)
		ret->max_time_ns = MAX_TIME_DEFAULT;
	if (ret->runs == 0)
		ret->runs = RUNS_DEFAULT;
	if (node_find(r, mapping, "results") != NULL) {
		e = read_results(r, mapping, ret);
	} else if (node_find(r, mapping, "steps") != NULL) {
		e = read_steps(r, mapping, ret);
	} else {
		e = read_only_step(r, mapping, ret);
	}
	if (e < 0 || ret->steps == NULL)
		return e;
	const struct budget_place place = {
		.scenario = ret,
		.main_metric = scenario_main_metric(ret),
		.is_sum = ret->n_steps > 1,
		.spanning = spanning,
	};
	return budgets_read(r, mapping, &place, &ret->budgets, &ret->n_budgets);
}
