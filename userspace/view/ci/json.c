/* SPDX-License-Identifier: MIT */
/* The verdict document, schema startline.verdict/1: docs/verdict.schema.json. Nothing is cut, keys
 * are only ever added, what is not known is null. */

#include <inttypes.h>
#include <math.h>

#include "userspace/base/cleanup.h"
#include "userspace/gate/exact_changes.h"
#include "userspace/gate/sequence.h"
#include "userspace/model/document/json_tree.h"
#include "userspace/model/metrics.h"
#include "userspace/view/ci/internal.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/report/report.h"

#define SCHEMA "startline.verdict/1"

static cJSON *known(int64_t value)
{
	return value == UNKNOWN ? cJSON_CreateNull() : json_int(value);
}

static cJSON *text_or_null(const char *text)
{
	return json_text(text_of(text)[0] != '\0' ? text : NULL);
}

static void add_interval(struct json_tree *t, cJSON *o, double low, double high)
{
	(void)json_add(t, o, "low", json_double(low));
	(void)json_add(t, o, "high", json_double(high));
}

/* NULL, and null in the document, where there is nothing to be said. */
static cJSON *add_object(struct json_tree *t, cJSON *parent, const char *key, bool is_there)
{
	cJSON *o = json_add(t, parent, key, is_there ? cJSON_CreateObject() : cJSON_CreateNull());
	return is_there ? o : NULL;
}

/* --- judgements ----------------------------------------------------------------------------- */

static cJSON *judgement_row(struct json_tree *t, const struct json_rows *rows, size_t index)
{
	const struct judgement *j = &((const struct judgement *)rows->items)[index];
	cJSON *o = cJSON_CreateObject();
	(void)json_add(t, o, "metric", json_text(j->metric));
	(void)json_add(t, o, "unit", json_text(unit_name(j->unit)));
	(void)json_add(t, o, "kind", json_text(j->is_budget ? "budget" : "baseline"));
	(void)json_add(t, o, "target", json_text(j->target));
	(void)json_add(t, o, "actual", json_double(j->actual));
	(void)json_add(t, o, "actual_low", json_double(j->actual_low));
	(void)json_add(t, o, "actual_high", json_double(j->actual_high));
	(void)json_add(t, o, "base", json_double(j->base_value));
	(void)json_add(t, o, "ratio", json_double(j->ratio));
	add_interval(t, o, j->low, j->high);
	(void)json_add(t, o, "headroom", json_double(j->headroom));
	(void)json_add(t, o, "verdict", json_text(verdict_name(j->verdict)));
	(void)json_add(t, o, "level", json_text(level_name(j->level)));
	(void)json_add(t, o, "reason", text_or_null(j->reason));
	(void)json_add(t, o, "cause", text_or_null(j->cause));
	(void)json_add(t, o, "more_runs",
		       j->more_runs > 0 ? json_int((int64_t)j->more_runs) : cJSON_CreateNull());
	return o;
}

/* --- comparison ----------------------------------------------------------------------------- */

static const char *const basis_names[] = {
	[BASIS_NONE] = "none",	     [BASIS_EXACT] = "exact",
	[BASIS_SHIFT] = "shift",     [BASIS_DIFFERENCE] = "difference",
	[BASIS_SUMMARY] = "summary",
};

static cJSON *change_row(struct json_tree *t, const struct json_rows *rows, size_t index)
{
	const struct change *c = &((const struct change *)rows->items)[index];
	cJSON *o = cJSON_CreateObject();
	(void)json_add(t, o, "metric", json_text(c->id));
	(void)json_add(t, o, "unit", json_text(unit_name(c->metric->unit)));
	(void)json_add(t, o, "basis", json_text(basis_names[c->basis]));
	(void)json_add(t, o, "demoted", cJSON_CreateBool(c->is_demoted));
	(void)json_add(t, o, "base", json_double(c->base_estimate));
	(void)json_add(t, o, "head", json_double(c->head_estimate));
	(void)json_add(t, o, "ratio", json_double(c->ratio));
	add_interval(t, o, c->low, c->high);
	(void)json_add(t, o, "difference", json_double(c->difference));
	(void)json_add(t, o, "p", json_double(c->p));
	(void)json_add(t, o, "verdict", json_text(verdict_name(verdict_of(c))));
	(void)json_add(t, o, "reason", text_or_null(c->reason));
	return o;
}

static cJSON *contribution_row(struct json_tree *t, const struct json_rows *rows, size_t index)
{
	const struct contribution *c = &((const struct contribution *)rows->items)[index];
	cJSON *o = cJSON_CreateObject();
	(void)json_add(t, o, "phase", json_text(contribution_phase(c)));
	(void)json_add(t, o, "cause", json_text(contribution_cause(c)));
	(void)json_add(t, o, "process", json_text(c->process));
	(void)json_add(t, o, "detail", json_text(c->detail));
	(void)json_add(t, o, "function", text_or_null(c->function));
	(void)json_add(t, o, "module", text_or_null(c->module));
	(void)json_add(t, o, "import", text_or_null(c->import));
	(void)json_add(t, o, "step", text_or_null(c->step != NULL ? c->step->name : NULL));
	(void)json_add(t, o, "base_ns", c->is_in_base ? json_int(c->base_ns) : cJSON_CreateNull());
	(void)json_add(t, o, "head_ns", c->is_in_head ? json_int(c->head_ns) : cJSON_CreateNull());
	(void)json_add(t, o, "delta_ns", json_int(c->delta_ns));
	(void)json_add(t, o, "low_ns", json_double(c->low_ns));
	(void)json_add(t, o, "high_ns", json_double(c->high_ns));
	return o;
}

static void add_array(struct json_tree *t, cJSON *o, const char *key, const void *items, size_t n,
		      cJSON *(*make)(struct json_tree *, const struct json_rows *, size_t))
{
	cJSON *array = json_add(t, o, key, cJSON_CreateArray());
	if (n > 0)
		json_add_rows(t, array, (struct json_rows){ .make = make, .items = items, .n = n });
}

static void add_comparison(struct json_tree *t, cJSON *parent, const struct comparison *c)
{
	cJSON *o = add_object(t, parent, "comparison", c != NULL);
	if (c == NULL)
		return;
	(void)json_add(t, o, "level", json_double(c->level));
	(void)json_add(t, o, "incomparable", text_or_null(c->incomparable));
	(void)json_add(t, o, "base_total_ns",
		       c->has_contributions ? json_int(c->base_total_ns) : cJSON_CreateNull());
	(void)json_add(t, o, "head_total_ns",
		       c->has_contributions ? json_int(c->head_total_ns) : cJSON_CreateNull());
	(void)json_add(t, o, "no_contributions", text_or_null(c->no_contributions));
	add_array(t, o, "contributions", c->contributions,
		  c->has_contributions ? c->n_contributions : 0, contribution_row);
	add_array(t, o, "changes", c->changes, c->n_changes, change_row);
}

/* --- control -------------------------------------------------------------------------------- */

/* Base against itself, for the metrics that were judged against a baseline. */
static void add_control(struct json_tree *t, cJSON *parent, const struct outcome *o)
{
	if (o->control == NULL || o->base == NULL) {
		(void)json_add(t, parent, "control", cJSON_CreateNull());
		return;
	}
	cJSON *list = json_add(t, parent, "control", cJSON_CreateArray());
	for (size_t i = 0; i < o->n_judgements; i++) {
		const struct judgement *j = &o->judgements[i];
		struct change change;
		const struct series *base = metrics_find(o->base, j->metric);
		const struct series *control = metrics_find(o->control, j->metric);
		if (j->is_budget || base == NULL || control == NULL)
			continue;
		if (change_of(base, control, SEQUENCE_LEVEL, &change) < 0) {
			t->is_short = true;
			return;
		}
		cJSON *row = cJSON_CreateObject();
		(void)json_add(t, row, "metric", json_text(j->metric));
		(void)json_add(t, row, "ratio", json_double(change.ratio));
		add_interval(t, row, change.low, change.high);
		(void)json_add(t, row, "verdict", json_text(verdict_name(verdict_of(&change))));
		json_add_row(t, list, row);
	}
}

/* --- outcomes ------------------------------------------------------------------------------- */

static const char *const kind_names[] = {
	[OUTCOME_JUDGED] = "judged",
	[OUTCOME_SKIPPED] = "skipped",
	[OUTCOME_MISCONFIGURED] = "misconfigured",
	[OUTCOME_TARGET_FAILED] = "target failed",
	[OUTCOME_CANNOT_JUDGE] = "cannot judge",
	[OUTCOME_TROUBLE] = "trouble",
};

static void add_host(struct json_tree *t, cJSON *parent, const struct session *s)
{
	cJSON *o = add_object(t, parent, "host", s != NULL);
	if (s == NULL)
		return;
	(void)json_add(t, o, "cpu", json_text(s->host.cpu));
	(void)json_add(t, o, "cpus", known(s->host.cpus));
	(void)json_add(t, o, "kernel", json_text(s->host.kernel));
	(void)json_add(t, o, "libc", json_text(s->host.libc));
	(void)json_add(t, o, "fingerprint", json_text(s->host.fingerprint));
}

static void add_findings(struct json_tree *t, cJSON *parent, const struct session *s)
{
	cJSON *list = json_add(t, parent, "findings", cJSON_CreateArray());
	const struct run *run = s != NULL && s->n_runs > 0 ? &s->runs[report_run(s)] : NULL;
	for (size_t i = 0; run != NULL && i < run->n_findings; i++) {
		const struct finding *f = &run->findings[i];
		cJSON *row = cJSON_CreateObject();
		(void)json_add(t, row, "id", json_text(f->id));
		(void)json_add(t, row, "cost_ns", known(f->cost_ns));
		(void)json_add(t, row, "evidence", json_text(f->evidence));
		(void)json_add(t, row, "remedy", json_text(f->remedy));
		json_add_row(t, list, row);
	}
}

/* A number beyond 2^53 does not survive many readers of JSON: the seed is text. */
static void add_design(struct json_tree *t, cJSON *parent, const struct outcome *o)
{
	cJSON *d = add_object(t, parent, "interleaved", o->pairs > 0);
	if (o->pairs == 0)
		return;
	char seed[32];
	(void)snprintf(seed, sizeof(seed), "%" PRIu64, o->seed);
	(void)json_add(t, d, "pairs", json_int((int64_t)o->pairs));
	(void)json_add(t, d, "repeats", json_int((int64_t)o->repeats));
	(void)json_add(t, d, "seed", cJSON_CreateString(seed));
	(void)json_add(t, d, "control_differs", cJSON_CreateBool(o->control_differs));
}

static void add_outcome(struct json_tree *t, cJSON *list, const struct outcome *outcome)
{
	cJSON *o = json_add(t, list, NULL, cJSON_CreateObject());
	(void)json_add(t, o, "scenario", json_text(outcome->scenario));
	(void)json_add(t, o, "command", json_text(outcome->command));
	(void)json_add(t, o, "file", json_text(outcome->file));
	(void)json_add(t, o, "line",
		       outcome->line > 0 ? json_int(outcome->line) : cJSON_CreateNull());
	(void)json_add(t, o, "kind", json_text(kind_names[outcome->kind]));
	(void)json_add(t, o, "status", json_text(severities[outcome_severity(outcome)].name));
	(void)json_add(t, o, "reason", text_or_null(outcome->reason));
	add_host(t, o, outcome->session);
	(void)json_add(t, o, "base", json_text(outcome->base_name));
	add_design(t, o, outcome);
	add_control(t, o, outcome);
	add_array(t, o, "judgements", outcome->judgements, outcome->n_judgements, judgement_row);
	_cleanup_(buf_done) struct buf witnesses = { .limit = 4096 };
	if (outcome->comparison != NULL)
		witnesses_text(outcome->comparison, &witnesses);
	/* Copied: json_text() would refer to what ends here. */
	(void)json_add(t, o, "witnesses",
		       witnesses.len > 0 ? cJSON_CreateString(buf_str(&witnesses))
					 : cJSON_CreateNull());
	add_comparison(t, o, outcome->comparison);
	add_findings(t, o, outcome->session);
}

int ci_json(const struct outcome *outcomes, size_t n, FILE *f)
{
	struct json_tree tree;
	cJSON *root = json_init(&tree);
	(void)json_add(&tree, root, "schema", json_text(SCHEMA));
	(void)json_add(&tree, root, "version", json_text(STARTLINE_VERSION));
	(void)json_add(&tree, root, "status",
		       json_text(severities[outcomes_severity(outcomes, n)].name));
	cJSON *list = json_add(&tree, root, "outcomes", cJSON_CreateArray());
	for (size_t i = 0; i < n; i++)
		add_outcome(&tree, list, &outcomes[i]);
	return json_write(&tree, f);
}
