/* SPDX-License-Identifier: MIT */
/* JMH -rf json: an array of benchmarks. The score of each iteration is a sample, each fork a process. A
 * file may have a benchmark in several modes. */

#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/foreign/internal.h"

struct mode {
	const char *name;
	const char *stem;      /* of what it measures */
	const char *secondary; /* of what profilers measure beside that */
};
/* The last is average time, and any other. */
static const struct mode modes[] = {
	{ "thrpt", "bench.ops_per_second", "bench.throughput" },
	{ "sample", "bench.sample", "bench.sample" },
	{ "ss", "bench.single", "bench.single" },
	{ NULL, "bench", "bench" },
};

bool jmh_sniff(const char *text, size_t length)
{
	return foreign_first_byte(text, length) == '[' &&
	       foreign_holds(text, length, "\"primaryMetric\"") &&
	       foreign_holds(text, length, "\"benchmark\"");
}

/* "ops/ms" is a rate of another second. */
static struct foreign_unit score_unit(const char *text)
{
	static const char rate[] = "ops/";
	struct foreign_unit u = foreign_unit(text);
	if (strncmp(text, rate, sizeof(rate) - 1) != 0)
		return u;
	const struct foreign_unit per = foreign_unit(text + sizeof(rate) - 1);
	u.like.better = BETTER_HIGHER;
	u.scale = per.like.unit == UNIT_NS ? 1e9 / per.scale : 1;
	return u;
}

static const struct mode *mode_of(const cJSON *benchmark)
{
	const char *name = foreign_json_text(benchmark, "mode");
	const struct mode *mode = modes;
	while (mode->name != NULL && (name == NULL || strcmp(mode->name, name) != 0))
		mode++;
	return mode;
}

static void add_name(struct buf *name, const cJSON *benchmark)
{
	const cJSON *p = NULL;
	size_t n = 0;
	(void)buf_adds(name, foreign_json_text(benchmark, "benchmark"));
	cJSON_ArrayForEach(p, foreign_json_object(benchmark, "params"))
	{
		if (cJSON_IsString(p))
			(void)buf_addf(name, "%s%s = %s", n++ == 0 ? " (" : ", ", p->string,
				       p->valuestring);
	}
	(void)buf_adds(name, n > 0 ? ")" : "");
}

static void add_statistics(struct gathering *g, const char *id, const struct foreign_unit *unit,
			   const cJSON *metric)
{
	const cJSON *percentiles = foreign_json_get(metric, "scorePercentiles");
	struct summary *s = gather_summary(g, id, &unit->like);
	if (s == NULL)
		return;
	s->mean = foreign_json_number(metric, "score") * unit->scale;
	s->min = foreign_json_number(percentiles, "0.0") * unit->scale;
	s->median = foreign_json_number(percentiles, "50.0") * unit->scale;
	s->p95 = foreign_json_number(percentiles, "95.0") * unit->scale;
	s->p99 = foreign_json_number(percentiles, "99.0") * unit->scale;
	s->max = foreign_json_number(percentiles, "100.0") * unit->scale;
}

static void add_metric(struct gathering *g, const char *id, const struct foreign_unit *unit,
		       const cJSON *metric)
{
	const cJSON *fork = NULL;
	cJSON_ArrayForEach(fork, foreign_json_get(metric, "rawData"))
	{
		gather_values(g, id, &unit->like, fork, unit->scale);
		gather_process(g, id, cJSON_GetArraySize(fork));
	}
	if (!gather_has(g, id))
		add_statistics(g, id, unit, metric);
}

/* What a profiler adds: "gc.alloc.rate.norm", which older ones begin with a dot of their own. Rates
 * there are what it happened to do. */
static void add_secondary(struct gathering *g, const struct mode *mode, const char *name,
			  const cJSON *metric)
{
	static const char dot[] = "\xc2\xb7";
	const char *unit = foreign_json_text(metric, "scoreUnit");
	const char *title = metric->string;
	struct foreign_unit u = score_unit(unit != NULL ? unit : "");
	if (strncmp(title, dot, sizeof(dot) - 1) == 0)
		title += sizeof(dot) - 1;
	if (u.like.better == BETTER_HIGHER)
		u.like.better = BETTER_NEITHER;
	add_metric(g, gather_once(g, gather_id_below(g, mode->secondary, title, name)), &u, metric);
}

static void add_benchmark(struct gathering *g, const cJSON *benchmark, size_t index)
{
	_cleanup_(buf_done) struct buf name = { .limit = FOREIGN_MAX_NAME };
	const cJSON *primary = foreign_json_get(benchmark, "primaryMetric");
	const char *unit = foreign_json_text(primary, "scoreUnit");
	const cJSON *secondary = NULL;
	if (foreign_json_text(benchmark, "benchmark") == NULL || unit == NULL) {
		gather_fail(g, "[%zu]: it has no %s", index,
			    unit == NULL ? "primaryMetric with a scoreUnit" : "benchmark");
		return;
	}
	add_name(&name, benchmark);
	const char *full = gather_name(g, &name);
	const struct foreign_unit u = score_unit(unit);
	const struct mode *mode = mode_of(benchmark);
	add_metric(g, gather_once(g, gather_id(g, mode->stem, full)), &u, primary);
	cJSON_ArrayForEach(secondary, foreign_json_object(benchmark, "secondaryMetrics"))
		add_secondary(g, mode, full, secondary);
}

void jmh_read(struct gathering *g, const cJSON *json)
{
	const cJSON *benchmark = NULL;
	size_t index = 0;
	const char *version = foreign_json_text(cJSON_GetArrayItem(json, 0), "jmhVersion");
	gather_note(g, "results of JMH %.20s", version != NULL ? version : "");
	cJSON_ArrayForEach(benchmark, json) add_benchmark(g, benchmark, index++);
}
