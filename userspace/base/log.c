/* SPDX-License-Identifier: MIT */
/* Formats a message, makes it safe for a terminal, and gives it to the sink. Works without
 * allocating, so that "out of memory" can be said. */

#include "userspace/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/utf8.h"

#define MESSAGE_BYTES 4096		  /* before escaping; PATH_MAX fits */
#define ESCAPED_BYTES (4 * MESSAGE_BYTES) /* a byte becomes at most four: \xNN */

static void sink_stderr(enum log_level level, const char *message, void *user);

static struct {
	enum log_level level;
	log_sink *sink;
	void *user;
} log_state = { .level = LOG_WARNING, .sink = sink_stderr };

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARNING] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

static void sink_stderr(enum log_level level, const char *message, void *user)
{
	(void)user;
	/* One write, so that lines of several processes do not mix. There is no one to tell when
	 * it fails. */
	static char line[ESCAPED_BYTES + 64];
	const int n =
		snprintf(line, sizeof(line), "startline: %s: %s\n", level_names[level], message);
	if (n <= 0)
		return;
	const size_t size = (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1;
	const ssize_t written = write(STDERR_FILENO, line, size);
	(void)written;
}

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

bool log_shows(enum log_level level)
{
	return level <= log_state.level;
}

void log_set_sink(log_sink *sink, void *user)
{
	log_state.sink = sink == NULL ? sink_stderr : sink;
	log_state.user = user;
}

/* Valid until the next call. */
static __attribute__((format(printf, 1, 0))) const char *escaped_text(const char *fmt, va_list args)
{
	static char message[MESSAGE_BYTES];
	static char escaped[ESCAPED_BYTES];
	if (vsnprintf(message, sizeof(message), fmt, args) < 0)
		(void)snprintf(message, sizeof(message), "(message cannot be formatted)");
	(void)text_escape_to(escaped, sizeof(escaped), message, strlen(message));
	return escaped;
}

static __attribute__((format(printf, 2, 0))) void log_message(enum log_level level, const char *fmt,
							      va_list args)
{
	if (!log_shows(level))
		return;
	const int saved_errno = errno;
	log_state.sink(level, escaped_text(fmt, args), log_state.user);

	errno = saved_errno;
}

int fail(int code, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	log_message(LOG_ERROR, fmt, args);
	va_end(args);
	return code;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	log_message(level, fmt, args);
	va_end(args);
}

void progress(bool is_shown, const char *format, ...)
{
	const int saved_errno = errno;
	va_list args;
	if (!is_shown || isatty(STDERR_FILENO) != 1)
		return;
	va_start(args, format);
	(void)fprintf(stderr, "\r\033[K%s%s", format != NULL ? "startline: " : "",
		      format != NULL ? escaped_text(format, args) : "");
	va_end(args);
	(void)fflush(stderr);
	errno = saved_errno;
}
