/* SPDX-License-Identifier: MIT */
/* How settings reach the shim, and how they are kept out of the program's sight.
 *
 * Two variables come in by the command's environment:
 *   STARTLINE_SHIM=<flags, hexadecimal>:<session directory>
 *   LD_PRELOAD=<path of libstartline.so>[:<what the user had>]
 * At start both are taken out of environ in place (the user's LD_PRELOAD is put back as it was); the
 * exec wrappers add them again for a child, in a copy. */
#ifndef PRELOAD_SETTINGS_H
#define PRELOAD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#define SHIM_VARIABLE "STARTLINE_SHIM="
#define LOAD_VARIABLE "LD_PRELOAD="
/* Of no meaning but its length: it moves the stack of the command from run to run. */
#define PAD_VARIABLE "STARTLINE_PAD="

#define SHIM_COUNTS_HEAP   0x1u
#define SHIM_WRAPS_NETWORK 0x2u

enum { SETTING_LIMIT = 256 }; /* longest directory and longest path of the shim */

struct settings {
	unsigned int flags; /* SHIM_* */
	char directory[SETTING_LIMIT];
	char shim[SETTING_LIMIT];				   /* path of libstartline.so */
	char variable[SETTING_LIMIT + sizeof(SHIM_VARIABLE) + 16]; /* "STARTLINE_SHIM=…" whole */
	char load[SETTING_LIMIT + sizeof(LOAD_VARIABLE)];	   /* "LD_PRELOAD=<shim>" */
};

/* Reads the two variables. False if they are missing or make no sense: then the shim is not wanted. */
bool settings_read(char *const *envp, struct settings *ret);

/* Takes our variables out of @envp (also STARTLINE_PAD), in place, and overwrites their strings; those
 * that stay are shortened in place. */
void settings_strip(const struct settings *settings, char **envp);

/* How many pointers a copy of @envp with our variables needs, the final NULL included; 0 if it must
 * not or need not be changed. *ret_text: bytes of text the copy needs besides. */
size_t settings_room(const struct settings *settings, char *const *envp, size_t *ret_text);
/* Makes that copy in @copy and @text. */
void settings_add(const struct settings *settings, char *const *envp, char **copy, char *text);

#endif
