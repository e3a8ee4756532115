/* SPDX-License-Identifier: MIT */
/* hyperfine --export-json: seconds, one result a command. A file with one command speaks of that
 * program as startline does: time.wall, cpu.user, cpu.system, mem.peak_rss. With several, each
 * has its command in brackets. */

#include <math.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/foreign/internal.h"

bool hyperfine_sniff(const char *text, size_t length)
{
	return foreign_json_sniff(text, length, "results", '[') &&
	       foreign_holds(text, length, "\"command\"");
}

/* A name given with -n does not tell the results of a parameter scan apart: as hyperfine does when
 * it prints them, the parameters that the text does not show are added. */
static void add_hidden_parameters(struct buf *name, const cJSON *result)
{
	const cJSON *p = NULL;
	cJSON_ArrayForEach(p, foreign_json_object(result, "parameters"))
	{
		if (cJSON_IsString(p) && strstr(buf_str(name), p->valuestring) == NULL)
			(void)buf_addf(name, " (%s = %s)", p->string, p->valuestring);
	}
}

/* The n-th result of one and the same command is a metric of its own: "sleep 1 #2". @last: the number
 * that its last one got. */
static void number(struct gathering *g, struct id_map *last, struct buf *name)
{
	const size_t n_name = name->len;
	const char *id = gather_id(g, "time.wall", buf_str(name));
	const uint64_t key = (uint64_t)(uintptr_t)id;
	if (!gather_has(g, id))
		return;
	const int known = id_map_get(last, key);
	int i = known > 0 ? known : 1;
	do {
		buf_truncate(name, n_name);
		(void)buf_addf(name, " #%d", ++i);
		id = gather_id(g, "time.wall", buf_str(name));
	} while (gather_has(g, id));
	/* Without memory for it, counting only takes longer. */
	(void)id_map_set(last, key, i);
}

static void add_times(struct gathering *g, const char *id, const cJSON *result)
{
	const cJSON *times = foreign_json_get(result, "times");
	if (cJSON_GetArraySize(times) > 0) {
		gather_values(g, id, &like_time, times, NS);
		return;
	}
	struct summary *s = gather_summary(g, id, &like_time);
	if (s == NULL)
		return;
	s->mean = foreign_json_number(result, "mean") * NS;
	s->stddev = foreign_json_number(result, "stddev") * NS;
	s->median = foreign_json_number(result, "median") * NS;
	s->min = foreign_json_number(result, "min") * NS;
	s->max = foreign_json_number(result, "max") * NS;
}

/* Of these only the mean is given. */
static void add_mean(struct gathering *g, const char *id, const cJSON *result, const char *key)
{
	const int n = cJSON_GetArraySize(foreign_json_get(result, "times"));
	if (isnan(foreign_json_number(result, key)))
		return;
	struct summary *s = gather_summary(g, id, &like_time);
	if (s == NULL)
		return;
	s->mean = foreign_json_number(result, key) * NS;
	s->n = (size_t)n;
}

static void note_failures(struct gathering *g, const cJSON *result, const char *command)
{
	const cJSON *code = NULL;
	size_t n = 0;
	cJSON_ArrayForEach(code, foreign_json_get(result, "exit_codes")) n +=
		!cJSON_IsNumber(code) || code->valuedouble != 0;
	if (n > 0)
		gather_note(g, "%zu runs of '%s' failed", n, command);
}

/* @last NULL: it is the only one. */
static void add_result(struct gathering *g, const cJSON *result, size_t index, struct id_map *last)
{
	_cleanup_(buf_done) struct buf name = { .limit = FOREIGN_MAX_NAME };
	const char *command = foreign_json_text(result, "command");
	if (command == NULL) {
		gather_fail(g, "results[%zu]: it has no command", index);
		return;
	}
	if (last != NULL) {
		(void)buf_adds(&name, command);
		add_hidden_parameters(&name, result);
		number(g, last, &name);
	}
	const char *in = gather_name(g, &name);
	add_times(g, gather_id(g, "time.wall", in), result);
	add_mean(g, gather_id(g, "cpu.user", in), result, "user");
	add_mean(g, gather_id(g, "cpu.system", in), result, "system");
	gather_values(g, gather_id(g, "mem.peak_rss", in), &like_size,
		      foreign_json_get(result, "memory_usage_byte"), 1);
	note_failures(g, result, command);
	if (last == NULL)
		gather_command(g, command);
}

void hyperfine_read(struct gathering *g, const cJSON *json)
{
	gather_note(g, "results of hyperfine");
	const cJSON *results = foreign_json_get(json, "results");
	const cJSON *result = NULL;
	struct id_map last = { 0 };
	const bool is_single = cJSON_GetArraySize(results) == 1;
	size_t index = 0;
	cJSON_ArrayForEach(result, results)
		add_result(g, result, index++, is_single ? NULL : &last);
	id_map_done(&last);
}
