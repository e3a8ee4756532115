/* SPDX-License-Identifier: MIT */
/* Names and sums that several reports print. */

#include "userspace/view/report/parts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "userspace/model/metrics.h"
#include "userspace/view/report/label.h"

#define NAME_BYTES 64 /* what calls itself something longer is known by its file */

const struct process *process_find(const struct run *run, int id)
{
	return id >= 1 && (size_t)id <= run->n_processes ? &run->processes[id - 1] : NULL;
}

const char *process_label(const struct run *run, int id, struct buf *ret)
{
	const struct process *p = process_find(run, id);
	buf_clear(ret);
	if (p == NULL) {
		(void)buf_addc(ret, '-');
		return buf_str(ret);
	}
	/* As it was called: redis-server is a link to redis-check-rdb, and sh one to dash. */
	const char *name = p->argv.n > 0 ? label_base(text_of(p->argv.items[0])) : "";
	if (name[0] == '\0' || strlen(name) > NAME_BYTES)
		name = label_base(text_of(p->exe));
	(void)buf_adds(ret, name[0] == '\0' ? "?" : name);
	if (run->n_processes > 1 && p->pid != UNKNOWN)
		(void)buf_addf(ret, "[%" PRId64 "]", p->pid);
	return buf_str(ret);
}

/* Only for reading: escaping is the printers' work. */
static void add_argument(struct buf *out, const char *argument)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "@%+=:,./_-";
	bool is_plain = argument[0] != '\0';
	for (const char *s = argument; *s != '\0' && is_plain; s++)
		is_plain = strchr(plain, *s) != NULL || (unsigned char)*s >= 0x80;
	if (is_plain) {
		(void)buf_adds(out, argument);
		return;
	}
	(void)buf_addc(out, '\'');
	for (const char *s = argument; *s != '\0'; s++) {
		if (*s == '\'')
			(void)buf_adds(out, "'\\''");
		else
			(void)buf_addc(out, *s);
	}
	(void)buf_addc(out, '\'');
}

const char *command_line(const struct text_list *argv, struct buf *ret)
{
	buf_clear(ret);
	for (size_t i = 0; i < argv->n && ret->error == 0; i++) {
		if (i > 0)
			(void)buf_addc(ret, ' ');
		add_argument(ret, argv->items[i] == NULL ? "" : argv->items[i]);
	}
	return buf_str(ret);
}

int64_t sum_known(int64_t a, int64_t b)
{
	if (a == UNKNOWN)
		return b;
	if (b == UNKNOWN)
		return a;
	int64_t sum = 0;
	if (__builtin_add_overflow(a, b, &sum) || sum == UNKNOWN)
		return a > 0 ? INT64_MAX : INT64_MIN + 1;
	return sum;
}

double run_value(const struct run *run, const char *metric_id)
{
	const struct metric *row = metrics_row(metric_id);
	return run->values != NULL && row != NULL ? run->values[row - metrics] : NAN;
}

const char *exit_text(const struct process *p, struct buf *ret)
{
	buf_clear(ret);
	if (p->exit_signal != UNKNOWN)
		(void)buf_addf(ret, "signal %" PRId64, p->exit_signal);
	else if (p->exit_code != UNKNOWN)
		(void)buf_addf(ret, "exit %" PRId64, p->exit_code);
	else
		(void)buf_adds(ret, p->exit_ns == UNKNOWN ? "running" : "ended");
	return buf_str(ret);
}
