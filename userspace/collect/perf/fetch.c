/* SPDX-License-Identifier: MIT */
/* See fetch.h. One file after the other: servers and networks are what takes time. */
#include "userspace/collect/perf/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/signals.h"
#include "userspace/stacks/debuginfod.h"
#include "userspace/stacks/symbols.h"

#define NAMES_MAX 6 /* that a note has */
#define NOTE_MAX  1024

/* Those that have nothing, by why. */
struct without {
	struct buf names;
	size_t n;
};

struct fetching {
	struct modules *modules;
	struct debuginfod *client;
	uint64_t until_ns;
	const char *name; /* of the file that is being fetched */
	struct without nowhere, late, failed;
};

static const char *leaf_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

static bool has_time(const struct fetching *f)
{
	return now_ns() < f->until_ns && !signals_end_is_pending();
}

static bool show(void *user, uint64_t n_bytes, uint64_t n_all)
{
	const struct fetching *f = user;
	char here[UNITS_BYTES], all[UNITS_BYTES];
	if (n_all > 0)
		progress(log_shows(LOG_WARNING), "debug information of %s, %s of %s", f->name,
			 format_bytes(here, (double)n_bytes), format_bytes(all, (double)n_all));
	else
		progress(log_shows(LOG_WARNING), "debug information of %s", f->name);
	return has_time(f);
}

static void miss(struct without *w, const char *name, const char *why)
{
	if (w->n++ < NAMES_MAX)
		(void)buf_addf(&w->names, "%s%s%s%s", w->n > 1 ? ", " : "", name,
			       why != NULL ? ": " : "", why != NULL ? why : "");
	else if (w->n == NAMES_MAX + 1)
		(void)buf_adds(&w->names, " and others");
}

static int fetch(struct fetching *f, struct module *module)
{
	_cleanup_free_ char *path = NULL;
	f->name = leaf_of(module->path);
	const int r =
		has_time(f) ? debuginfod_fetch(f->client, &module->identity, &path) : -ECANCELED;
	if (r == -ENOENT)
		miss(&f->nowhere, f->name, NULL);
	else if (r == -ECANCELED)
		miss(&f->late, f->name, NULL);
	else if (r < 0)
		miss(&f->failed, f->name, strerror(-r));
	return r < 0 ? 0 : modules_set_debug_path(f->modules, module, path);
}

/* ---- of which ---- */

struct wanted {
	struct module *module;
	size_t n_frames;
};

static int by_frames(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	if (x->n_frames != y->n_frames)
		return x->n_frames > y->n_frames ? -1 : 1;
	return 0;
}

/* By id; the last one is of no module. */
static struct wanted *list_wanted(struct modules *modules, const struct intern *intern)
{
	struct wanted *wanted = calloc(MODULES_MAX + 1, sizeof(*wanted));
	const size_t n = intern_n_frames(intern);
	for (size_t i = 0; wanted != NULL && i < n; i++) {
		uint32_t id;
		uint64_t offset;
		intern_frame(intern, (uint32_t)i + 1, &id, &offset);
		struct module *module = modules_get(modules, id);
		if (module == NULL)
			continue;
		wanted[id - 1].module = module;
		wanted[id - 1].n_frames++;
	}
	return wanted;
}

static int fetch_all(struct fetching *f, struct wanted *wanted, const char **ret_why)
{
	int r = 0;
	qsort(wanted, MODULES_MAX, sizeof(*wanted), by_frames);
	for (size_t i = 0; wanted[i].module != NULL && r >= 0; i++) {
		if (!symbols_are_elsewhere(f->modules, wanted[i].module))
			continue;
		if (f->client == NULL)
			f->client = debuginfod_new(show, f, ret_why);
		if (f->client == NULL)
			return 0;
		r = fetch(f, wanted[i].module);
	}
	return r;
}

static int tell_without(const struct without *w, const char *what, struct sink sink)
{
	return w->n > 0 ? emit_meta(sink, "note", "%s: %s", what, buf_str(&w->names)) : 0;
}

int fetch_debug_files(struct modules *modules, const struct intern *intern, uint64_t limit_ns,
		      struct sink sink)
{
	struct fetching f = {
		.modules = modules,
		.until_ns = now_ns() + limit_ns,
		.nowhere.names.limit = NOTE_MAX,
		.late.names.limit = NOTE_MAX,
		.failed.names.limit = NOTE_MAX,
	};
	const char *why = NULL;
	_cleanup_free_ struct wanted *wanted = list_wanted(modules, intern);
	int r = wanted != NULL ? fetch_all(&f, wanted, &why) : -ENOMEM;
	progress(log_shows(LOG_WARNING), NULL);
	if (r >= 0 && why != NULL)
		r = emit_meta(sink, "note", "no debug information was fetched: %s", why);
	if (r >= 0)
		r = tell_without(&f.nowhere, "no debuginfod server has debug information of", sink);
	if (r >= 0)
		r = tell_without(&f.late, "the time for debuginfod was over before that of", sink);
	if (r >= 0)
		r = tell_without(&f.failed, "no debug information from debuginfod", sink);
	(void)debuginfod_free(f.client);
	buf_done(&f.nowhere.names);
	buf_done(&f.late.names);
	buf_done(&f.failed.names);
	return r < 0 ? r : 0;
}
