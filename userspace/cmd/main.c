/* SPDX-License-Identifier: MIT */
/* THE command table; global options, help, and the check that standard output was written. */

#include <argp.h>
#include <errno.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/log.h"
#include "userspace/base/nearest.h"
#include "userspace/base/rights.h"
#include "userspace/base/stdfd.h"
#include "userspace/cmd/cmd.h"
#include "userspace/collect/run/inheritance.h"

/* THE table: see cmd.h. */
static const struct command {
	const char *name;
	const char *help; /* one line */
	/* @argv[0] is "startline NAME". Returns the exit status. */
	int (*run)(int argc, char **argv);
	int usage_status; /* for mistakes on the command line */
} commands[] = {
	{ "run", "run a program, record it, print the report", cmd_run, EXIT_TROUBLE },
	{ "report", "print a recording again", cmd_report, EXIT_USAGE },
	{ "compare", "what changed between two recordings, and why", cmd_compare, EXIT_USAGE },
	{ "check", "run scenarios, judge them, exit with the verdict", cmd_check, EXIT_USAGE },
	{ "baseline", "measurements under names, to compare with", cmd_baseline, EXIT_USAGE },
	{ "ab", "two commands, interleaved: a verdict, and why", cmd_ab, EXIT_USAGE },
	{ "history", "a metric over time: changes, drift", cmd_history, EXIT_USAGE },
	{ "init", "propose a startline.yml for the project here", cmd_init, EXIT_USAGE },
	{ "doctor", "what this machine allows, and what is missing", cmd_doctor, EXIT_USAGE },
	{ 0 },
};

static const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name != NULL; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

static void print_help(FILE *f)
{
	(void)fputs("Usage: startline COMMAND [OPTION...] [ARG...]\n"
		    "Shows where the time from exec to ready went, what it cost, and whether that\n"
		    "is worse than before.\n\n"
		    "Commands:\n",
		    f);
	for (const struct command *c = commands; c->name != NULL; c++)
		(void)fprintf(f, "  %-8s %s\n", c->name, c->help);
	(void)fputs("\n"
		    "  help [COMMAND], -h, --help    this text, or that of a command\n"
		    "  --version                     the version\n"
		    "\n"
		    "EXAMPLES\n"
		    "  startline run --ready accept -- redis-server --port 7777\n"
		    "  startline run -- make -j2\n"
		    "  startline report --view processes\n",
		    f);
}

static int unknown_command(const char *name)
{
	const char *names[sizeof(commands) / sizeof(*commands)] = { NULL };
	for (size_t i = 0; commands[i].name != NULL; i++)
		names[i] = commands[i].name;
	const char *meant = nearest_word(name, names);
	if (meant != NULL)
		(void)fail(-EINVAL, "'%s' is not a command; did you mean '%s'?", name, meant);
	else
		(void)fail(-EINVAL, "'%s' is not a command; see `startline help`", name);
	return EXIT_USAGE;
}

static int run_command(const struct command *command, int argc, char **argv)
{
	char name[64];
	char *const before = argv[0];
	argp_err_exit_status = command->usage_status;
	if (rights_begin() < 0)
		return command->usage_status == EXIT_TROUBLE ? EXIT_TROUBLE : EXIT_STARTLINE;
	(void)snprintf(name, sizeof(name), "startline %s", command->name);
	argv[0] = name;
	const int status = command->run(argc, argv);
	argv[0] = before;
	return status;
}

static int help_command(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stdout);
		return 0;
	}
	const struct command *command = command_find(argv[1]);
	if (command == NULL)
		return unknown_command(argv[1]);
	char option[] = "--help";
	char *help[] = { argv[0], option, NULL };
	return run_command(command, 2, help);
}

static int dispatch(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		(void)printf("startline %s\n", STARTLINE_VERSION);
		return 0;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help(stdout);
		return 0;
	}
	if (strcmp(argv[1], "help") == 0)
		return help_command(argc - 1, argv + 1);
	const struct command *command = command_find(argv[1]);
	if (command == NULL)
		return unknown_command(argv[1]);
	return run_command(command, argc - 1, argv + 1);
}

/* argp ends the program itself after --help and --usage: the check must sit here. */
static void check_stdout(void)
{
	const bool failed = ferror(stdout) != 0;
	if (fflush(stdout) == 0 && !failed)
		return;
	if (errno != EPIPE)
		(void)fail(-errno, "cannot write to standard output: %s", strerror(errno));
	_exit(EXIT_STARTLINE);
}

int main(int argc, char **argv)
{
	unsigned int closed_fds;
	if (stdfd_ensure_open(&closed_fds) < 0)
		return EXIT_TROUBLE;
	inheritance_begin(closed_fds);
	(void)setlocale(LC_CTYPE, "");
	if (atexit(check_stdout) != 0)
		return EXIT_TROUBLE;
	return dispatch(argc, argv);
}
