/* SPDX-License-Identifier: MIT */
/* How settings reach the shim, and how they are kept out of the program's sight.
 *
 * Two variables come in by the command's environment:
 *   STARTLINE_SHIM=<flags, hexadecimal>:<session directory>
 *   LD_PRELOAD=<path of libstartline.so>[:<what the user had>]
 * They come last, and in this order, so that at the start they can be cut off: out of environ, and out of
 * the region that /proc/self/environ shows. Where the user has an LD_PRELOAD, it stays where it is, for
 * of several glibc's loader takes the last. musl's takes the first: there the two stand in front too. */
#ifndef PRELOAD_SETTINGS_H
#define PRELOAD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "preload/readable.h"

#define SHIM_VARIABLE	   "STARTLINE_SHIM="
#define LOAD_VARIABLE	   "LD_PRELOAD="
#define SHIM_COUNTS_HEAP   0x1u
#define SHIM_WRAPS_NETWORK 0x2u
/* startline itself is under a seccomp filter, as in a container: that there is one says nothing. */
#define SHIM_UNDER_FILTER 0x4u
/* A kernel probe takes stacks where the shim tells of blocks (bpf/block.h). */
#define SHIM_PROBES_TAKE_STACKS 0x8u

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

/* Where the kernel put the texts of the variables that are not ours. */
struct settings_region {
	char *start, *end; /* NULL: they do not lie together */
};

/* Takes our variables out of @envp, in place, and overwrites their strings. @envp is as the kernel made
 * it, followed by the auxiliary vector: what becomes free in between is filled with entries that are to
 * be ignored, so that who walks on from the variables still finds it. */
void settings_strip(const struct settings *settings, char **envp, struct settings_region *ret);

/* What a copy of an environment with our variables needs. */
struct settings_plan {
	size_t n;		/* variables of its own */
	const char *users_load; /* the value of its LD_PRELOAD, or NULL */
	size_t users_length;
	bool is_in_front; /* ours go in front as well */
};

/* False if it must not or need not be changed, or cannot be read. */
bool settings_plan(char *const *envp, bool is_musl, struct reader *reader,
		   struct settings_plan *ret);
/* Bytes of the copy. */
size_t settings_bytes(const struct settings *settings, const struct settings_plan *plan);
/* Makes it in @room, which is aligned for pointers. */
char **settings_add(const struct settings *settings, const struct settings_plan *plan,
		    char *const *envp, char *room);

#endif
