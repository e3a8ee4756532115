/* SPDX-License-Identifier: MIT */
/* Facts about the recording as a whole, one META event each. */

#include "userspace/collect/proc/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/collect/run/emit.h"

void fact(struct facts *f, const char *key, const char *value)
{
	if (f->error >= 0 && *value != '\0')
		f->error = emit_meta(f->sink, key, "%s", value);
}

void fact_number(struct facts *f, const char *key, uint64_t number)
{
	char value[32];
	(void)snprintf(value, sizeof(value), "%llu", (unsigned long long)number);
	fact(f, key, value);
}

/* Variables that change how programs start, and that carry no secrets. */
static void facts_of_environment(struct facts *f)
{
	static const char *const names[] = {
		"LANG",
		"LC_ALL",
		"TZ",
		"MALLOC_ARENA_MAX",
		"GLIBC_TUNABLES",
		"LD_BIND_NOW",
		"PYTHONHASHSEED",
		"PYTHONMALLOC",
		"USE_ZEND_ALLOC",
		"GOMAXPROCS",
		"GOGC",
		"NODE_ENV",
		"RAILS_ENV",
		"MALLOC_PERTURB_",
		"CI",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = getenv(names[i]);
		char key[64];
		(void)snprintf(key, sizeof(key), "env.%s", names[i]);
		if (value != NULL)
			fact(f, key, value);
	}
}

int source_proc_facts(struct sink sink)
{
	struct facts f = { .sink = sink };
	_cleanup_free_ char *directory = getcwd(NULL, 0);

	fact(&f, "version", STARTLINE_VERSION);
	fact_number(&f, "realtime_ns", clock_ns(CLOCK_REALTIME));
	if (directory != NULL)
		fact(&f, "directory", directory);
	facts_of_host(&f);
	facts_of_environment(&f);
	return f.error;
}
