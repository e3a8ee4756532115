/* SPDX-License-Identifier: MIT */
/* See tell.h. */
#include "userspace/collect/perf/tell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/collect/run/emit.h"
#include "userspace/stacks/symbols.h"

#define NAMES_LIMIT_NS (500 * NS_PER_MS) /* of a user who waits for the report */
#define MODULE_PART    2 /* no module takes more of what is left: others have names, too */
#define TEXT_MAX       ((size_t)4096) /* of a path, a name and a file */
#define LOST_PART      20	      /* of the samples: with fewer missing, shares are as good */

_Static_assert((int)MODULE_FILE == (int)SL_MODULE_FILE, "the same numbers");
_Static_assert((int)MODULE_VDSO == (int)SL_MODULE_VDSO, "the same numbers");
_Static_assert((int)MODULE_KERNEL == (int)SL_MODULE_KERNEL, "the same numbers");
_Static_assert((int)MODULE_PYTHON == (int)SL_MODULE_PYTHON, "the same numbers");
_Static_assert((int)MODULE_ANONYMOUS == (int)SL_MODULE_ANON, "the same numbers");
_Static_assert((int)BUILD_ID_MAX == (int)SL_BUILD_ID_MAX, "the same length");

/* Puts @text and its NUL behind the first @n bytes of @bytes, which have @room. Returns how many there are
 * then; zeroes follow up to a multiple of 8. */
static size_t put_text(char *bytes, size_t room, size_t n, const char *text)
{
	const size_t most = room - n - 8;
	const size_t length = strnlen(text, most);
	memcpy(bytes + n, text, length);
	memset(bytes + n + length, 0, 8);
	return n + length + 1;
}

/* ---- as they are met ---- */

static int tell(const struct teller *t, const struct sl_event *event)
{
	return t->sink.event(t->sink.data, event);
}

static int tell_module(void *user, const struct module *module)
{
	static union {
		struct sl_module module;
		char bytes[sizeof(struct sl_module) + TEXT_MAX];
	} record;
	const struct teller *t = user;
	const struct file_identity *identity = &module->identity;
	record.module = (struct sl_module){
		.id = module->id,
		.type = (uint16_t)module->type,
		.build_id_length = (uint16_t)identity->n_build_id,
	};
	memcpy(record.module.build_id, identity->build_id, identity->n_build_id);
	const size_t size = put_text(record.bytes, sizeof(record), sizeof(record.module),
				     module->path != NULL ? module->path : "");
	record.module.event = emit_header(SL_KIND_MODULE, size, t->time_ns, 0);
	return tell(t, &record.module.event);
}

static int tell_frame(void *user, uint32_t id, uint32_t module, uint64_t offset)
{
	const struct teller *t = user;
	const struct sl_frame frame = {
		.event = emit_header(SL_KIND_FRAME, sizeof(frame), t->time_ns, 0),
		.id = id,
		.module = module,
		.offset = offset,
	};
	return tell(t, &frame.event);
}

static int tell_stack(void *user, uint32_t id, uint32_t caller, uint32_t frame, bool is_cut)
{
	const struct teller *t = user;
	const struct sl_stack stack = {
		.event = emit_header(SL_KIND_STACK, sizeof(stack), t->time_ns, 0),
		.id = id,
		.caller = caller,
		.frame = frame,
		.flags = is_cut ? SL_STACK_CUT : 0,
	};
	return tell(t, &stack.event);
}

struct intern_listener tell_listener(struct teller *teller)
{
	return (struct intern_listener){
		.module = tell_module, .frame = tell_frame, .stack = tell_stack, .user = teller
	};
}

/* ---- at the end ---- */

struct naming {
	struct sink sink;
	struct modules *modules;
	const struct name_sources *names;
	uint64_t until_ns;
	size_t n_named; /* places */
};

static int tell_function(void *user, const struct code_function *function)
{
	static union {
		struct sl_function function;
		char bytes[sizeof(struct sl_function) + 2 * TEXT_MAX];
	} record;
	struct naming *n = user;
	record.function = (struct sl_function){
		.frame = function->id,
		.depth = function->depth,
		.line = function->line,
	};
	size_t size = put_text(record.bytes, sizeof(record.function) + TEXT_MAX,
			       sizeof(record.function), function->name);
	if (function->file != NULL)
		size = put_text(record.bytes, sizeof(record), size, function->file);
	record.function.event = emit_header(SL_KIND_FUNCTION, size, now_ns(), 0);
	n->n_named += function->depth == 0;
	const int r = n->sink.event(n->sink.data, &record.function.event);
	return r < 0 || now_ns() < n->until_ns ? r : -ETIME;
}

/* ---- of the kernel ---- */

struct kernel_naming {
	struct naming *naming;
	const struct code_place *places;
	int error;
};

static void tell_kernel_function(void *data, size_t i, const char *name)
{
	struct kernel_naming *k = data;
	const struct code_function function = { .id = k->places[i].id, .name = name };
	if (k->error >= 0)
		k->error = tell_function(k->naming, &function);
}

/* By the probes, which is quicker, if there are some. */
static int find_in_kernel(struct naming *n, const struct code_place *places, size_t n_places,
			  bool *ret_is_done)
{
	struct kernel_naming k = { .naming = n, .places = places };
	_cleanup_free_ uint64_t *addresses = calloc(n_places, sizeof(*addresses));
	if (addresses == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n_places; i++)
		addresses[i] = places[i].offset;
	*ret_is_done = source_bpf_kernel_names(n->names->bpf, addresses, n_places,
					       tell_kernel_function, &k);
	return k.error;
}

/* ---- of Python ---- */

static int find_in_python(struct naming *n, const struct code_place *places, size_t n_places,
			  bool *ret_is_done)
{
	int r = 0;
	for (size_t i = 0; i < n_places && r >= 0; i++) {
		struct code_function function = { .id = places[i].id };
		if (python_process_name(n->names->python, places[i].offset, &function))
			r = tell_function(n, &function);
	}
	*ret_is_done = true;
	return r;
}

/* ---- of JVMs ---- */

/* Those it knows; the others are moved to the front of @places, *n_places in the end. */
static int find_in_jvms(struct naming *n, struct code_place *places, size_t *n_places)
{
	size_t n_left = 0;
	int r = 0;
	for (size_t i = 0; i < *n_places && r >= 0; i++) {
		struct code_function function = { .id = places[i].id };
		if (n->names->jvms != NULL)
			function.name = hotspot_process_name(n->names->jvms, places[i].offset);
		if (function.name != NULL)
			r = tell_function(n, &function);
		else
			places[n_left++] = places[i];
	}
	*n_places = n_left;
	return r;
}

/* ---- all ---- */

struct place {
	uint32_t module;
	struct code_place place;
};

static int by_module(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	return x->module < y->module ? -1 : x->module > y->module;
}

/* The frames of @intern, by module. */
static struct place *list_places(const struct intern *intern, size_t n)
{
	struct place *places = calloc(n > 0 ? n : 1, sizeof(*places));
	for (size_t i = 0; places != NULL && i < n; i++) {
		places[i].place.id = (uint32_t)i + 1;
		intern_frame(intern, (uint32_t)i + 1, &places[i].module, &places[i].place.offset);
	}
	if (places != NULL)
		qsort(places, n, sizeof(*places), by_module);
	return places;
}

static int name_module(struct naming *n, uint32_t id, struct code_place *places, size_t n_places)
{
	struct module *module = modules_get(n->modules, id);
	bool is_done = module == NULL;
	const uint64_t now = now_ns();
	int r = 0;
	if (now >= n->until_ns)
		return -ETIME;
	if (module != NULL && module->type == MODULE_KERNEL && n->names->bpf != NULL)
		r = find_in_kernel(n, places, n_places, &is_done);
	else if (module != NULL && module->type == MODULE_PYTHON)
		r = find_in_python(n, places, n_places, &is_done);
	else if (module != NULL && module->type == MODULE_ANONYMOUS)
		r = find_in_jvms(n, places, &n_places);
	if (r >= 0 && !is_done)
		r = symbols_find(n->modules, module, places, n_places,
				 (n->until_ns - now) / MODULE_PART, tell_function, n);
	return r;
}

int tell_functions(struct modules *modules, const struct intern *intern,
		   const struct name_sources *names, struct sink sink, size_t *ret_unnamed)
{
	struct naming naming = { .sink = sink,
				 .modules = modules,
				 .names = names,
				 .until_ns = now_ns() + NAMES_LIMIT_NS };
	const size_t n = intern_n_frames(intern);
	_cleanup_free_ struct place *places = list_places(intern, n);
	_cleanup_free_ struct code_place *of_one = calloc(n > 0 ? n : 1, sizeof(*of_one));
	size_t end = 0, n_unnamed = 0;
	if (places == NULL || of_one == NULL)
		return -ENOMEM;
	for (size_t begin = 0; begin < n; begin = end) {
		for (end = begin; end < n && places[end].module == places[begin].module; end++)
			of_one[end - begin] = places[end].place;
		const size_t n_named = naming.n_named;
		const int r = name_module(&naming, places[begin].module, of_one, end - begin);
		if (r == -ETIME)
			n_unnamed += end - begin - (naming.n_named - n_named);
		else if (r < 0 && r != -ENOENT)
			return r;
	}
	*ret_unnamed = n_unnamed;
	return 0;
}

/* ---- what is missing ---- */

/* Those that no room was left for are the last ones, and of the last runs nearly all. */
static int tell_full(const struct samples_told *told, struct sink sink)
{
	int r = told->n_full > 0
			? emit_meta(
				  sink, "note",
				  "%llu stacks were lost, and %llu kept: more distinct ones than a "
				  "recording has room for (fewer runs, or a lower --stacks)",
				  (unsigned long long)told->n_full,
				  (unsigned long long)(told->n_kept - told->n_full))
			: 0;
	if (r >= 0 && told->n_mappings > 0)
		r = emit_meta(sink, "note",
			      "%llu mappings were left out, more than there is room for: code in "
			      "them belongs to nothing known",
			      (unsigned long long)told->n_mappings);
	return r;
}

int tell_lost(const struct samples_told *told, struct sink sink)
{
	const unsigned long long n_kept = told->n_kept, n_late = told->n_late,
				 n_lost = told->n_lost, n_all = n_lost + n_late + told->n_full;
	int r = n_all > 0 ? emit_drops(sink, SL_SOURCE_COLLECT, SL_KIND_SAMPLE, n_all) : 0;
	if (r >= 0 && n_late * LOST_PART > n_kept)
		r = emit_meta(
			sink, "note",
			"%llu stacks were dropped, and %llu kept: files of the program take too "
			"long to read",
			n_late, n_kept);
	if (r >= 0 && n_lost * LOST_PART > n_kept)
		r = emit_meta(
			sink, "note",
			"up to %llu stacks were lost, and %llu kept: there was no room for them "
			"(--ring)",
			n_lost, n_kept);
	return r < 0 ? r : tell_full(told, sink);
}
