/* SPDX-License-Identifier: MIT */
/* Modules of languages by the files that their interpreters open: what a path says of language and
 * name. For interpreters that do not tell themselves. */
#include "userspace/model/build/internal.h"

#include <errno.h>
#include <string.h>

#define NAME_BYTES 1024

/* What a module's name is made of, between a directory that all have and the end of its file's name. */
struct language {
	const char *name;
	const char *program;	/* the interpreter's file name begins so */
	const char *endings[4]; /* of files that are modules */
	const char *roots[8];	/* directories: what is behind the last of them counts */
	const char *separator;	/* between the parts of a name */
	const char *main;	/* a file of that name stands for its directory */
	bool has_versions;	/* directories of digits and dots are no part of the name */
	bool is_only_opened;	/* when what is in a file is loaded, no open tells */
};

static const struct language languages[] = {
	{ .name = "python",
	  .program = "python",
	  .endings = { ".pyc", ".py", ".abi3.so" },
	  .roots = { "/site-packages/", "/dist-packages/", "/lib-dynload/" },
	  .separator = ".",
	  .main = "__init__" },
	{ .name = "node",
	  .program = "node",
	  .endings = { ".js", ".cjs", ".mjs", ".node" },
	  .roots = { "/node_modules/" },
	  .separator = "/",
	  .main = "index" },
	{ .name = "ruby",
	  .program = "ruby",
	  .endings = { ".rb" },
	  .roots = { "/vendor_ruby/", "/site_ruby/", "/lib/" },
	  .separator = "/",
	  .has_versions = true },
	{ .name = "perl",
	  .program = "perl",
	  .endings = { ".pm", ".pl" },
	  .roots = { "/perl5/", "/perl-base/", "/perl/", "/lib/" },
	  .separator = "::",
	  .has_versions = true },
	{ .name = "php",
	  .program = "php",
	  .endings = { ".php", ".inc" },
	  .roots = { "/vendor/", "/share/php/" },
	  .separator = "/" },
	/* Archives, and classes outside of them. */
	{ .name = "java",
	  .program = "java",
	  .endings = { ".jar", ".class" },
	  .separator = "/",
	  .is_only_opened = true },
};
#define N_LANGUAGES (sizeof(languages) / sizeof(languages[0]))

static bool ends_with(const char *text, size_t n, const char *ending)
{
	const size_t k = strlen(ending);
	return n > k && memcmp(text + n - k, ending, k) == 0;
}

/* "json.cpython-311-x86_64-linux-gnu.so" */
static bool is_extension(const char *path, size_t n)
{
	static const char mark[] = ".cpython-";
	return ends_with(path, n, ".so") && memmem(path, n, mark, sizeof(mark) - 1) != NULL;
}

bool language_file_ending(const char *path, size_t n)
{
	for (size_t i = 0; i < N_LANGUAGES; i++)
		for (size_t k = 0; k < 4 && languages[i].endings[k] != NULL; k++)
			if (ends_with(path, n, languages[i].endings[k]))
				return true;
	return is_extension(path, n);
}

static const struct language *language_of(const char *exe)
{
	const char *slash = strrchr(exe, '/');
	const char *program = slash != NULL ? slash + 1 : exe;
	for (size_t i = 0; i < N_LANGUAGES; i++)
		if (strncmp(program, languages[i].program, strlen(languages[i].program)) == 0)
			return &languages[i];
	return NULL;
}

static bool is_of(const struct language *l, const char *path, size_t n)
{
	for (size_t k = 0; k < 4 && l->endings[k] != NULL; k++)
		if (ends_with(path, n, l->endings[k]))
			return true;
	return l == &languages[0] && is_extension(path, n);
}

/* Behind the last directory that is a root, "/usr/lib/python3.11/" among them; NULL: there is none. */
static const char *behind_roots(const struct language *l, const char *path)
{
	const char *rest = NULL;
	for (size_t k = 0; k < 8 && l->roots[k] != NULL; k++) {
		const size_t n = strlen(l->roots[k]);
		/* Relative ones begin with it. */
		if (rest == NULL && strncmp(path, l->roots[k] + 1, n - 1) == 0)
			rest = path + n - 1;
		for (const char *at = path; (at = strstr(at, l->roots[k])) != NULL; at++)
			if (rest == NULL || at + n > rest)
				rest = at + n;
	}
	const char *stdlib = l == &languages[0] ? strstr(path, "/python3.") : NULL;
	if (rest == NULL && stdlib != NULL) {
		rest = strchr(stdlib + 1, '/');
		rest = rest != NULL ? rest + 1 : NULL;
	}
	return rest;
}

static bool is_version(const char *part, size_t n)
{
	return n > 0 && strspn(part, "0123456789.") >= n;
}

static bool is_left_out(const struct language *l, const char *part, size_t n, bool is_last)
{
	if (n == 0 || (n == 11 && memcmp(part, "__pycache__", n) == 0))
		return true;
	if (l->has_versions && !is_last &&
	    (is_version(part, n) || (n == 4 && memcmp(part, "ruby", 4) == 0)))
		return true;
	return is_last && l->main != NULL && n == strlen(l->main) && memcmp(part, l->main, n) == 0;
}

/* ---- Python's packages elsewhere ---- */

/* The directory of @path, or what is above its __pycache__. */
static size_t directory_of(const char *path)
{
	static const char cache[] = "__pycache__";
	const char *slash = strrchr(path, '/');
	size_t n = slash != NULL ? (size_t)(slash - path) : 0;
	if (n >= sizeof(cache) - 1 &&
	    memcmp(path + n - (sizeof(cache) - 1), cache, sizeof(cache) - 1) == 0)
		n -= sizeof(cache) - 1;
	while (n > 0 && path[n - 1] == '/')
		n--;
	return n;
}

static const char *package_in(struct builder *b, const char *path, size_t n)
{
	const char *directory = n > 0 ? arena_internn(b->arena, path, n) : NULL;
	const int place = directory == NULL
				  ? -1
				  : id_map_get(&b->package_index, (uint64_t)(uintptr_t)directory);
	return place >= 0 ? b->package_names.items[place] : NULL;
}

static void note_package(struct builder *b, const char *path, size_t n, const char *name)
{
	const char *directory = keep(b, (void *)(uintptr_t)arena_internn(b->arena, path, n));
	push(b, &b->package_names, name);
	if (b->error == 0 && id_map_set(&b->package_index, (uint64_t)(uintptr_t)directory,
					(int)b->package_names.n - 1) < 0)
		b->error = -ENOMEM;
}

/* A package is loaded before its parts, so that its directory is known by then. Puts the name of the
 * one that @path is in, if any, into @name, and returns what of @path is to follow. */
static const char *python_package(struct builder *b, const char *path, char name[static NAME_BYTES],
				  size_t *ret_length)
{
	const char *file = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	const bool is_package = strncmp(file, "__init__.", 9) == 0;
	size_t n = directory_of(path);
	const char *rest = file;
	if (is_package) {
		rest = path + n;
		while (rest > path && rest[-1] != '/')
			rest--;
		n = rest > path ? (size_t)(rest - path) - 1 : 0;
	}
	const char *package = package_in(b, path, n);
	const size_t length = package != NULL ? strlen(package) : 0;
	if (length > 0 && length < NAME_BYTES) {
		memcpy(name, package, length + 1);
		*ret_length = length;
	}
	return rest;
}

/* ---- names ---- */

const char *language_module(struct builder *b, const char *exe, const char *path,
			    const char **ret_language)
{
	const struct language *l = exe != NULL ? language_of(exe) : NULL;
	if (l == NULL || !is_of(l, path, strlen(path)))
		return NULL;
	char name[NAME_BYTES];
	size_t at = 0;
	const char *rest = behind_roots(l, path);
	const char *slash = strrchr(path, '/');
	const char *part = rest != NULL		? rest
			   : l == &languages[0] ? python_package(b, path, name, &at)
			   : slash != NULL	? slash + 1
						: path;
	for (bool is_last = false; !is_last;) {
		slash = strchr(part, '/');
		is_last = slash == NULL;
		/* Python's files have the interpreter's name in theirs: "json.cpython-311.pyc". */
		size_t n = !is_last		? (size_t)(slash - part)
			   : l == &languages[0] ? strcspn(part, ".")
						: (size_t)(strrchr(part, '.') - part);
		if (!is_left_out(l, part, n, is_last)) {
			const size_t k = at > 0 ? strlen(l->separator) : 0;
			if (at + k + n + 1 > sizeof(name))
				return NULL;
			memcpy(name + at, l->separator, k);
			memcpy(name + at + k, part, n);
			at += k + n;
		}
		part = is_last ? part : slash + 1;
	}
	*ret_language = l->name;
	const char *kept = at > 0 ? arena_internn(b->arena, name, at) : NULL;
	if (l == &languages[0] && kept != NULL && strstr(path, "/__init__.") != NULL)
		note_package(b, path, directory_of(path), kept);
	return kept;
}

bool language_is_only_opened(const char *language)
{
	for (size_t i = 0; i < N_LANGUAGES; i++)
		if (strcmp(languages[i].name, language) == 0)
			return languages[i].is_only_opened;
	return false;
}

const char *language_parent(struct builder *b, const char *language, const char *name)
{
	for (size_t i = 0; i < N_LANGUAGES; i++) {
		if (strcmp(languages[i].name, language) != 0)
			continue;
		const char *last = NULL;
		for (const char *at = name; (at = strstr(at, languages[i].separator)) != NULL; at++)
			last = at;
		return last != NULL && last > name
			       ? arena_internn(b->arena, name, (size_t)(last - name))
			       : NULL;
	}
	return NULL;
}
