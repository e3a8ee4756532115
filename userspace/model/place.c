/* SPDX-License-Identifier: MIT */
/* Which frame of a stack says where a program is, and what code is called by people. */
#include "userspace/model/place.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"

/* What comes with the JVM or node is like the C library: who called it is what one wants to know. */
static bool is_of_runtime(const char *function)
{
	static const char *const packages[] = { "java.", "javax.", "jdk.", "sun.", "com.sun." };
	/* "java.lang.String.hashCode", "int java.lang.String.hashCode()" of a perf map, "require
	 * node:internal/modules/helpers:119:28" */
	const char *name = function + strcspn(function, "(");
	while (name > function && name[-1] != ' ')
		name--;
	for (size_t i = 0; i < sizeof(packages) / sizeof(*packages); i++)
		if (strncmp(name, packages[i], strlen(packages[i])) == 0)
			return true;
	return strstr(function, " node:") != NULL;
}

/* What a JVM has for itself: "Interpreter", "StubRoutines (1)", "new_instance Runtime1 stub". */
static bool is_of_jvm(const char *function)
{
	static const char *const begins[] = { "Interpreter", "StubRoutines" };
	static const char *const ends[] = { "stub", "Blob", "_blob", "adapters", "chunks" };
	const size_t n = strlen(function);
	for (size_t i = 0; i < sizeof(begins) / sizeof(*begins); i++)
		if (strncmp(function, begins[i], strlen(begins[i])) == 0)
			return true;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (n >= strlen(ends[i]) && strcmp(function + n - strlen(ends[i]), ends[i]) == 0)
			return strchr(function, '.') == NULL;
	return false;
}

static bool is_made(const struct frame *f)
{
	return f->function != NULL && f->module != NULL && strcmp(f->module, "[JIT]") == 0 &&
	       !is_of_jvm(f->function);
}

/* The program's, and not its runtime's. */
static bool is_made_code(const struct frame *f)
{
	return is_made(f) && !is_of_runtime(f->function);
}

static bool is_made_for_runtime(const struct frame *f)
{
	return is_made(f) && is_of_runtime(f->function);
}

/* Code that everything calls, and what only runs a program: who called it is what one wants to know. */
bool is_common_code(const struct frame *f)
{
	static const char *const names[] = { "libc.so",		 "libc-2.",   "libpthread",
					     "libm.so",		 "ld-linux",  "ld-2.",
					     "ld-musl",		 "libc.musl", "linux-vdso",
					     "libstartline",	 "python3.",  "libpython3.",
					     "<frozen importlib" };
	const char *slash = f->module != NULL ? strrchr(f->module, '/') : NULL;
	const char *base = slash != NULL ? slash + 1 : f->module;
	const char *plt = f->function != NULL ? strchr(f->function, '@') : NULL;
	if (is_made_code(f))
		return false;
	if (base == NULL || base[0] == '[' || (plt != NULL && strcmp(plt, "@plt") == 0))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strncmp(base, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

bool is_startline_code(const struct frame *f)
{
	static const char library[] = "libstartline.so";
	const char *slash = f->module != NULL ? strrchr(f->module, '/') : NULL;
	return slash != NULL && strcmp(slash + 1, library) == 0;
}

bool is_module_body(const char *function)
{
	return strcmp(function, "<module>") == 0;
}

/* All of what runs in an interpreter is in one function of it: that says nothing. A source file that is its
 * own module is what runs in one. */
bool is_interpreter(const struct frame *f)
{
	static const char *const names[] = { "python",	"libpython", "node",	"libnode", "perl",
					     "libperl", "ruby",	     "libruby", "libjvm",  "php",
					     "libphp",	"bash",	     "dash",	"busybox" };
	const char *module = f->module != NULL ? f->module : "";
	const char *slash = strrchr(module, '/');
	const char *base = slash != NULL ? slash + 1 : module;
	if (f->file != NULL && strcmp(f->file, module) == 0)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strncmp(base, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* "f" of "f.constprop.0", "f.part.1.cold", "f.llvm.123", "f::h0123456789abcdef". */
size_t function_length(const char *name)
{
	static const char *const tails[] = { ".constprop.", ".isra.", ".part.",
					     ".cold",	    ".llvm.", ".lto_priv." };
	size_t n = strlen(name);
	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		const char *tail = strstr(name, tails[i]);
		if (tail != NULL && tail != name && (size_t)(tail - name) < n)
			n = (size_t)(tail - name);
	}
	if (n > 19 && strncmp(name + n - 19, "::h", 3) == 0 &&
	    strspn(name + n - 16, "0123456789abcdef") >= 16)
		n -= 19;
	return n;
}

/* Most programs have wrappers of their own: zmalloc, CRYPTO_strdup, PyMem_Malloc, sqlite3DbMallocRaw,
 * ngx_palloc. But "allocate_buffers" is what somebody does with it. */
static bool is_named_as_allocator(const char *name, size_t n)
{
	static const char *const parts[] = {
		"malloc",   "calloc", "realloc", "valloc", "zalloc",
		"memalign", "strdup", "strndup", "memdup", "asprintf"
	};
	static const char end[] = "alloc";
	_cleanup_free_ char *text = strndup(name, n);
	if (text == NULL)
		return false;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strcasestr(text, parts[i]) != NULL)
			return true;
	return n >= strlen(end) && strcasecmp(text + n - strlen(end), end) == 0;
}

/* The calls that ask the kernel, also in static programs. */
static bool is_mapping_call(const char *name, size_t n)
{
	static const char *const names[] = { "mmap", "mmap64",	 "mremap",	    "brk",
					     "sbrk", "morecore", "default_morecore" };
	while (n > 0 && *name == '_') {
		name++;
		n--;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (n == strlen(names[i]) && strncmp(name, names[i], n) == 0)
			return true;
	return false;
}

/* What fills, copies or searches memory, also in static programs: memset, __memmove_avx_unaligned. */
static bool is_memory_call(const char *name, size_t n)
{
	static const char *const names[] = { "memset", "memcpy", "memmove", "mempcpy", "memchr",
					     "memcmp", "strlen", "strcpy",  "strchr",  "strcmp" };
	while (n > 0 && *name == '_') {
		name++;
		n--;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const size_t length = strlen(names[i]);
		if (n >= length && strncmp(name, names[i], length) == 0 &&
		    (n == length || name[length] == '_'))
			return true;
	}
	return false;
}

/* Gives out memory on behalf of who called it: the allocator and what only wraps it, what copies a text into
 * new memory, and the containers and strings of C++ and Rust. */
static bool is_allocator(const struct frame *f)
{
	static const char *const libraries[] = { "libjemalloc.so", "libtcmalloc", "libmimalloc.so",
						 "libhoard.so" };
	static const char *const begins[] = { "operator new", "std::",	  "__gnu_cxx::",
					      "alloc::",      "<alloc::", "hashbrown::",
					      "__rust_",      "__rdl_",	  /* Go: */ "runtime." };
	const char *slash = f->module != NULL ? strrchr(f->module, '/') : NULL;
	const char *base = slash != NULL ? slash + 1 : f->module != NULL ? f->module : "";
	for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++)
		if (strncmp(base, libraries[i], strlen(libraries[i])) == 0)
			return true;
	if (f->function == NULL)
		return false;
	/* "void std::vector<int>::reserve(…)": templates are told with what they return. */
	const size_t word = strcspn(f->function, " <(");
	const char *name = f->function[word] == ' ' && strncmp(f->function, "operator", 8) != 0
				   ? f->function + word + 1
				   : f->function;
	for (size_t i = 0; i < sizeof(begins) / sizeof(*begins); i++)
		if (strncmp(name, begins[i], strlen(begins[i])) == 0)
			return true;
	const size_t n = function_length(name);
	return is_named_as_allocator(name, n) || is_mapping_call(name, n) ||
	       is_memory_call(name, n);
}

static bool is_never_asked_for(const struct frame *f)
{
	return is_common_code(f) || is_allocator(f);
}

/* Of frames that are passed over the innermost stands for them, but for one that says less. */
static bool says_more(const struct frame *f, const struct frame *than, bool is_of_heap)
{
	if (than == NULL)
		return true;
	if (f->function == NULL)
		return false;
	return than->function == NULL || (is_of_heap && is_allocator(than) && !is_allocator(f));
}

static const struct frame *place_of(const struct session *s, int64_t place, bool is_of_heap)
{
	const struct stack *stack = session_stack(s, place);
	const struct frame *named = NULL, *runtime = NULL, *entered = NULL;
	for (size_t i = 0; stack != NULL && i < stack->n_frames; i++) {
		const struct frame *f = session_frame(s, stack->frames[i]);
		if (f == NULL)
			continue;
		if (is_of_heap ? is_never_asked_for(f) : is_common_code(f)) {
			if (says_more(f, named, is_of_heap))
				named = f;
			if (runtime == NULL && is_made_for_runtime(f))
				entered = f;
		} else if (is_made_code(f) || (runtime == NULL && !is_interpreter(f))) {
			return f;
		} else if (runtime == NULL) {
			runtime = f;
		}
	}
	if (entered != NULL)
		return entered;
	return runtime != NULL ? runtime : named;
}

const struct frame *stack_place(const struct session *s, int64_t place)
{
	return place_of(s, place, false);
}

const struct frame *heap_place(const struct session *s, int64_t place)
{
	return place_of(s, place, true);
}

/* A package of Python has the name of its directory. */
static const char *with_package(const char *module, const char *base)
{
	if (strcmp(base, "__init__.py") != 0 || base == module)
		return base;
	for (base--; base > module && base[-1] != '/';)
		base--;
	return base;
}

const char *module_label(struct arena *a, const char *module)
{
	const char *slash = module != NULL ? strrchr(module, '/') : NULL;
	const char *base = slash != NULL    ? with_package(module, slash + 1)
			   : module != NULL ? module
					    : "";
	const char *so = strstr(base, ".so");
	const bool is_versioned = so != NULL && so[3] == '.';
	return arena_internn(a, base, is_versioned ? (size_t)(so + 3 - base) : strlen(base));
}

void program_label(const char *line, struct buf *out)
{
	while (*line != '\0') {
		const size_t blanks = strspn(line, " "), n = strcspn(line + blanks, " ");
		const char *word = line + blanks;
		size_t from = 0;
		for (size_t i = 0; word[0] == '/' && word[n - 1] != '/' && i < n; i++)
			from = word[i] == '/' ? i + 1 : from;
		(void)buf_addf(out, "%.*s%.*s", (int)blanks, line, (int)(n - from), word + from);
		line = word + n;
	}
}
