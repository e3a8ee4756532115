/* SPDX-License-Identifier: MIT */
/* Programs that are known to take most of their memory in maps of their own: what they ask malloc for is
 * counted exactly, and is a small part. To add one: a row here. */
#include "userspace/model/build/internal.h"

#include <string.h>

static const struct {
	const char *program; /* what its file's name begins with; then a version may follow */
	const char
		*setting; /* of the environment, with which malloc is used; NULL: there is none */
	const char *text;
} known[] = {
	{ "python", "PYTHONMALLOC=malloc",
	  "objects of CPython (PYTHONMALLOC=malloc has them counted)" },
	{ "php", "USE_ZEND_ALLOC=0", "memory of Zend (USE_ZEND_ALLOC=0 has it counted)" },
	{ "node", NULL, "the heap of V8" },
	{ "nodejs", NULL, "the heap of V8" },
	{ "deno", NULL, "the heap of V8" },
	{ "java", NULL, "the heap of the JVM" },
	{ "javac", NULL, "the heap of the JVM" },
};

#define N_KNOWN (sizeof(known) / sizeof(known[0]))

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

bool own_allocator_is_off(const char *setting)
{
	for (size_t i = 0; i < N_KNOWN; i++)
		if (known[i].setting != NULL && begins(setting, known[i].setting))
			return true;
	return false;
}

/* Whether the environment was set on a command line, as env(1) has it: of the program or an ancestor. */
static bool is_set_by_command(const struct builder *b, const struct proc *p, const char *setting)
{
	for (;;) {
		vec_foreach(image, &p->images)
			for (size_t i = 0; i < image->out.argv.n; i++)
				if (strcmp(image->out.argv.items[i], setting) == 0)
					return true;
		if (p->parent < 0)
			return false;
		p = &b->procs.items[p->parent];
	}
}

static bool is_version(const char *text)
{
	return strspn(text, "0123456789.-") > 0 || text[0] == '\0';
}

/* The program, or the interpreter that it has in a library. */
static const char *program_of(const struct builder *b, const struct proc *p)
{
	const char *exe = p->out.exe == NULL ? "" : p->out.exe;
	while (p->images.n == 0 && p->parent >= 0)
		p = &b->procs.items[p->parent];
	return p->images.n > 0 && vec_last(&p->images)->has_python ? "python" : exe;
}

const char *own_allocator(const struct builder *b, const struct proc *p)
{
	const char *exe = program_of(b, p);
	const char *slash = strrchr(exe, '/');
	const char *name = slash == NULL ? exe : slash + 1;

	for (size_t i = 0; i < N_KNOWN && p->out.heap.is_known; i++) {
		const char *setting = known[i].setting;
		if (!begins(name, known[i].program) || !is_version(name + strlen(known[i].program)))
			continue;
		if (setting != NULL &&
		    ((b->facts->environment != NULL && begins(b->facts->environment, setting)) ||
		     is_set_by_command(b, p, setting)))
			continue;
		return known[i].text;
	}
	return NULL;
}
