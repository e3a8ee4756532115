/* SPDX-License-Identifier: MIT */
/* Sub-commands: compositions of the other layers that own no logic.
 * To add one: a row in THE table in main.c and a cmd_<name>.c with its argp table, whose help ends
 * with EXAMPLES; tools/check-docs then asks for its man page and its bats file. */
#ifndef USERSPACE_CMD_CMD_H
#define USERSPACE_CMD_CMD_H

/* Exit status of `run`, besides the program's own. */
enum {
	EXIT_TIMEOUT = 124,
	EXIT_TROUBLE = 125, /* startline failed or was misused */
	EXIT_CANNOT_EXECUTE = 126,
	EXIT_NO_PROGRAM = 127,
	EXIT_BY_SIGNAL = 128, /* + its number */
};
/* Exit status of the other commands. */
enum { EXIT_USAGE = 2, EXIT_STARTLINE = 6 };
/* `check --bisect`: git bisect shall try another commit. */
enum { EXIT_CANNOT_BISECT = 125 };

int cmd_run(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_baseline(int argc, char **argv);
int cmd_ab(int argc, char **argv);
int cmd_history(int argc, char **argv);
int cmd_init(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* Keys of options without a letter begin here: each argp table has its own. */
enum { OPTION_FIRST_FREE = 0x1000 };

#endif
