/* SPDX-License-Identifier: MIT */
/* Reads the options, and opens and closes the file of -o, with each failure said once. */

#include "userspace/cmd/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/path.h"
#include "userspace/base/units.h"
#include "userspace/cmd/cmd.h"
#include "userspace/collect/run/collect.h"
#include "userspace/view/report/report.h"

#define NAMES_MAX 256

enum { KEY_FORMAT = OPTION_FIRST_FREE };

/* ---- the options ---- */

static const struct argp_option options[] = {
	{ "format", KEY_FORMAT, "FORMAT", 0, "text, json, csv or markdown (text)", 0 },
	{ "output", 'o', "FILE", 0, "print to this file instead", 0 },
	{ "quiet", 'q', NULL, 0, "no progress, errors only", 0 },
	{ "verbose", 'v', NULL, 0, "say what is being done; twice: in detail", 0 },
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, 0 },
	{ 0 },
};

uint64_t option_number(const char *s, const char *name, uint64_t least, uint64_t most,
		       struct argp_state *state)
{
	uint64_t n = 0;
	if (parse_u64(s, &n) < 0 || n < least || n > most)
		argp_error(state, "%s '%s': a number from %llu to %llu", name, s,
			   (unsigned long long)least, (unsigned long long)most);
	return n;
}

static enum table_format parse_format(const char *name, struct argp_state *state)
{
	static const char *const names[] = {
		[TABLE_TEXT] = "text",
		[TABLE_JSON] = "json",
		[TABLE_CSV] = "csv",
		[TABLE_MARKDOWN] = "markdown",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(name, names[i]) == 0)
			return (enum table_format)i;
	}
	argp_error(state, "--format '%s': there are text, json, csv and markdown", name);
	return TABLE_TEXT;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct output_options *o = state->input;
	switch (key) {
	case KEY_FORMAT:
		o->page.format = parse_format(arg, state);
		return 0;
	case 'o':
		o->path = arg;
		return 0;
	case 'q':
		o->is_quiet = true;
		log_set_level(LOG_ERROR);
		return 0;
	case 'v':
		log_set_level(log_shows(LOG_INFO) ? LOG_DEBUG : LOG_INFO);
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp output_argp = { options, parse_option, NULL, NULL, NULL, NULL, NULL };
const struct argp_child output_children[] = { { &output_argp, 0, NULL, 0 }, { 0 } };

/* ---- the file ---- */

/* A FIFO is waited for until somebody reads it, or Ctrl-C, which a recording has blocked. */
static int open_file(const char *path)
{
	static const struct timespec pause = { .tv_nsec = 20 * NS_PER_MS };
	for (;;) {
		const int fd = path_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
		if (fd != -EAGAIN)
			return fd;
		if (collector_is_interrupted())
			return -EINTR;
		(void)nanosleep(&pause, NULL);
	}
}

int output_open(struct output_options *o, FILE *fallback)
{
	const bool is_stdout = o->path != NULL && strcmp(o->path, "-") == 0;
	FILE *f = is_stdout ? stdout : fallback;
	if (o->path != NULL && !is_stdout) {
		const int fd = open_file(o->path);
		f = fd >= 0 ? fdopen(fd, "w") : NULL;
		if (f == NULL)
			return fail(fd < 0 ? fd : -ENOMEM, "cannot write '%s': %s", o->path,
				    path_strerror(fd < 0 ? fd : -ENOMEM));
	}
	page_open(&o->page, f);
	return 0;
}

int output_close(struct output_options *o, int result)
{
	FILE *f = o->page.f;
	/* Standard output is flushed and checked once, at the end of the program. */
	if (f == stdout && result == -EIO)
		return 0;
	if (o->path == NULL || f == stdout)
		return result;
	const int flushed = fflush(f) == 0 && !ferror(f) ? 0 : -(errno != 0 ? errno : EIO);
	(void)fclose(f);
	if (flushed < 0)
		return fail(flushed, "cannot write '%s': %s", o->path, strerror(-flushed));
	return result;
}

int output_table(struct output_options *o, struct table *t)
{
	int r = output_open(o, stdout);
	if (r >= 0)
		r = output_close(o, table_print(t, &o->page));
	(void)table_free(t);
	return r;
}

/* ---- one file per --out ---- */

static void refuse(const char *argument, struct argp_state *state)
{
	_cleanup_(buf_done) struct buf names = { .limit = NAMES_MAX };
	for (const struct ci_output *o = ci_outputs; o->name != NULL; o++)
		(void)buf_addf(&names, "%s%s", o != ci_outputs ? ", " : "", o->name);
	argp_error(state, "--out '%s': FORMAT=FILE, where FORMAT is one of %s", argument,
		   buf_str(&names));
}

void outs_add(struct outs *outs, const char *argument, struct argp_state *state)
{
	const char *equals = strchr(argument, '=');
	for (const struct ci_output *o = ci_outputs; equals != NULL && o->name != NULL; o++) {
		const size_t n = strlen(o->name);
		if (n != (size_t)(equals - argument) || strncmp(o->name, argument, n) != 0 ||
		    equals[1] == '\0')
			continue;
		if (vec_push(outs, ((struct out){ o, equals + 1 })) < 0)
			argp_failure(state, 1, ENOMEM, "--out");
		return;
	}
	refuse(argument, state);
}

int outs_write(const struct outs *outs, const struct outcome *outcomes, size_t n)
{
	int worst = 0;
	vec_foreach(out, outs) {
		struct output_options o = { .path = out->path };
		int r = output_open(&o, stdout);
		if (r >= 0)
			r = output_close(&o, out->output->print(outcomes, n, o.page.f));
		if (r < 0)
			worst = r;
	}
	return worst;
}
