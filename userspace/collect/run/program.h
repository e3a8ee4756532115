/* SPDX-License-Identifier: MIT */
/* From a command's first word to the file that is executed. */
#ifndef USERSPACE_COLLECT_RUN_PROGRAM_H
#define USERSPACE_COLLECT_RUN_PROGRAM_H

#define PROGRAM_PATH	    4096
#define PROGRAM_LINE	    256 /* of a script's first line: BINPRM_BUF_SIZE of Linux */
#define PROGRAM_MAX_SCRIPTS 4	/* a script's interpreter may be a script: as the kernel does */

/* The file that @name is, looked for in PATH. 0; -ENOENT. */
int program_search(const char *name, char ret[static PROGRAM_PATH]);
/* Opened for reading, unless that could block, or do something. A descriptor, or less than 0. */
int program_open(const char *path);
/* The program that @argv0 is, or is a script for, without symbolic links. 0; -ENOENT. */
int program_find(const char *argv0, char ret[static PROGRAM_PATH]);

#endif
