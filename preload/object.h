/* SPDX-License-Identifier: MIT */
/* The symbols of an object that the loader has put into memory, by its own hash table. Nothing is called,
 * locked or allocated. */
#ifndef PRELOAD_OBJECT_H
#define PRELOAD_OBJECT_H

#include <link.h>
#include <stdint.h>

struct object {
	uintptr_t base;
	const Elf64_Sym *symbols;
	const char *names;
	const uint32_t *gnu_hash;
	const uint32_t *sysv_hash;
	const Elf64_Versym *versions;
};

/* The object at @base, by its dynamic section; NULL: it has none. */
void object_read(uintptr_t base, const Elf64_Dyn *dynamic, struct object *ret);

/* What a name is looked for by. */
uint32_t object_hash(const char *name);

/* The address of the function or variable @name, in the version that is given to whoever asks for none; NULL: it
 * defines none. @hash is object_hash(@name). */
void *object_find(const struct object *o, const char *name, uint32_t hash);

#endif
