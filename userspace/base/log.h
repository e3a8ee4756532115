/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_LOG_H
#define STARTLINE_BASE_LOG_H
/*
 * Messages to the user. They go to stderr, one line each, "startline: warning: ...".
 *
 * The function that knows what went wrong says so once and passes the code up; its callers pass
 * the code on and stay silent:
 *
 *	return fail(-EBADMSG, "'%s': not a startline trace", path);
 *
 * Text from outside (paths, argv, contents of files) may be put into a message as it is: control
 * bytes, escape sequences and invalid UTF-8 are escaped before they reach the terminal. So a
 * message is one line always; do not end it with a newline. Very long messages are cut.
 *
 * errno is preserved by all functions.
 */

#include <stdbool.h>

enum log_level {
	LOG_ERROR,   /* startline cannot do what was asked */
	LOG_WARNING, /* it goes on, with less */
	LOG_INFO,    /* -v: what it does */
	LOG_DEBUG,   /* -vv: for those who work on startline */
};

/* Messages up to and including @level are shown. The default is LOG_WARNING. */
void log_set_level(enum log_level level);

/* Is a message of that level shown? To skip the work of composing it. */
bool log_shows(enum log_level level);

/* cmocka.h, which unit tests include, has a macro of this name. */
#undef fail

/* Logs an error and returns @code, which is a negative errno. */
int fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_info(...)	 log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 log_at(LOG_DEBUG, __VA_ARGS__)

/* On a terminal a line on standard error that says "startline: …", in place of the last one; @format
 * NULL: takes it away. Nothing unless @is_shown. */
void progress(bool is_shown, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Receives each message that the level lets through: already escaped, without prefix and
 * newline, valid during the call. */
typedef void log_sink(enum log_level level, const char *message, void *user);

/* Replaces where messages go, for tests. A NULL @sink restores stderr. */
void log_set_sink(log_sink *sink, void *user);

#endif
