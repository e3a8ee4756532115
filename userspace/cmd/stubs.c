/* SPDX-License-Identifier: MIT */
/* Stand-ins for parts that are not there yet: weak, so the real ones win. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "userspace/collect/collect.h"
#include "userspace/collect/internal.h"
#include "userspace/model/metrics.h"
#include "userspace/model/session.h"
#include "userspace/model/session_json.h"
#include "userspace/trace/ready.h"
#include "userspace/trace/trace.h"
#include "userspace/view/report.h"

#define WEAK __attribute__((weak))

WEAK int source_bpf_open(const struct bpf_settings *settings, char *why, size_t n,
			 struct source_bpf **ret)
{
	(void)settings, (void)ret;
	(void)snprintf(why, n, "not built yet");
	return -ENOTSUP;
}
WEAK int source_bpf_track(struct source_bpf *s, int pidfd)
{
	(void)s;
	return pidfd < 0;
}
WEAK int source_bpf_fd(const struct source_bpf *s)
{
	return s ? -1 : -1;
}
WEAK int source_bpf_drain(struct source_bpf *s, struct sink sink)
{
	(void)s, (void)sink;
	return 0;
}
WEAK int source_bpf_snapshot(struct source_bpf *s, enum sl_when when)
{
	(void)s, (void)when;
	return 0;
}
WEAK int source_bpf_ready(struct source_bpf *s)
{
	(void)s;
	return 0;
}
WEAK void source_bpf_activity(const struct source_bpf *s, uint32_t *ret_threads, uint64_t *ret_idle)
{
	(void)s;
	*ret_threads = 0;
	*ret_idle = 0;
}
WEAK int source_bpf_finish(struct source_bpf *s, struct sink sink)
{
	(void)s, (void)sink;
	return 0;
}
WEAK size_t source_bpf_ring_bytes(const struct source_bpf *s)
{
	(void)s;
	return 0;
}
WEAK struct source_bpf *source_bpf_free(struct source_bpf *s)
{
	(void)s;
	return NULL;
}
WEAK int source_shim_open(const struct shim_settings *settings, char *why, size_t n,
			  struct source_shim **ret)
{
	(void)settings, (void)ret;
	(void)snprintf(why, n, "not built yet");
	return -ENOTSUP;
}
WEAK char *const *source_shim_environment(struct source_shim *s, const char *path, struct sink sink)
{
	(void)s, (void)path, (void)sink;
	return NULL;
}
WEAK int source_shim_fd(const struct source_shim *s)
{
	(void)s;
	return -1;
}
WEAK int source_shim_drain(struct source_shim *s, struct sink sink)
{
	(void)s, (void)sink;
	return 0;
}
WEAK int source_shim_snapshot(struct source_shim *s, enum sl_when when, struct sink sink)
{
	(void)s, (void)sink, (void)when;
	return 0;
}
WEAK int source_shim_finish(struct source_shim *s, struct sink sink)
{
	(void)s, (void)sink;
	return 0;
}
WEAK struct source_shim *source_shim_free(struct source_shim *s)
{
	(void)s;
	return NULL;
}

WEAK int ready_rule_parse(const char *spec, struct ready_rule *ret)
{
	(void)spec, (void)ret;
	return -EINVAL;
}
WEAK void ready_rule_done(struct ready_rule *rule)
{
	(void)rule;
}
WEAK int ready_watch_new(const struct ready_rule *rules, size_t n, struct ready_watch **ret)
{
	(void)rules, (void)n, (void)ret;
	return 0;
}
WEAK struct ready_watch *ready_watch_free(struct ready_watch *w)
{
	(void)w;
	return NULL;
}
WEAK bool ready_watch_feed(struct ready_watch *w, const struct sl_event *event,
			   struct ready_point *ret)
{
	(void)w, (void)event, (void)ret;
	return false;
}
WEAK uint64_t ready_watch_deadline(const struct ready_watch *w)
{
	(void)w;
	return 0;
}
WEAK bool ready_watch_tick(struct ready_watch *w, uint64_t now_ns, struct ready_point *ret)
{
	(void)w, (void)now_ns, (void)ret;
	return false;
}

WEAK int session_build(const struct trace *trace, struct session **ret)
{
	(void)trace;
	*ret = NULL;
	return 0;
}
WEAK struct session *session_free(struct session *s)
{
	(void)s;
	return NULL;
}
WEAK int session_read_json(const char *text, size_t length, const char *name, struct session **ret)
{
	(void)text, (void)length, (void)name, (void)ret;
	return -EBADMSG;
}
WEAK bool session_sniff_json(const char *text, size_t length)
{
	(void)text, (void)length;
	return false;
}
WEAK const struct report reports[] = { { 0 } };
WEAK const struct report *report_find(const char *name)
{
	(void)name;
	return NULL;
}
WEAK int report_print(struct session *s, enum table_format format, const struct print_style *style,
		      FILE *f)
{
	(void)s, (void)format, (void)style;
	(void)fputs("(no report yet)\n", f);
	return 0;
}
WEAK void print_style_of(FILE *f, struct print_style *ret)
{
	(void)f;
	*ret = (struct print_style){ .width = 80 };
}
WEAK int table_print(const struct table *t, enum table_format format,
		     const struct print_style *style, FILE *f)
{
	(void)t, (void)format, (void)style, (void)f;
	return 0;
}
WEAK struct table *table_free(struct table *t)
{
	(void)t;
	return NULL;
}
#define NAME_STUB(fn, type)                  \
	WEAK const char *fn(enum type value) \
	{                                    \
		(void)value;                 \
		return "";                   \
	}
NAME_STUB(unit_name, unit)
NAME_STUB(better_name, better)
NAME_STUB(metric_class_name, metric_class)
NAME_STUB(cause_name, cause)
NAME_STUB(activity_name, activity)
NAME_STUB(phase_name, phase)
