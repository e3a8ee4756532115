/* SPDX-License-Identifier: MIT */
/* Modules of languages by the files that their interpreters open: what a path says of language and
 * name. For interpreters that do not tell themselves. */
#include "userspace/model/build/internal.h"

#include <stdio.h>
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
};

static const struct language languages[] = {
	{ "python",
	  "python",
	  { ".pyc", ".abi3.so" },
	  { "/site-packages/", "/dist-packages/", "/lib-dynload/" },
	  ".",
	  "__init__",
	  false },
	{ "node",
	  "node",
	  { ".js", ".cjs", ".mjs", ".node" },
	  { "/node_modules/" },
	  "/",
	  "index",
	  false },
	{ "ruby", "ruby", { ".rb" }, { "/vendor_ruby/", "/site_ruby/", "/lib/" }, "/", NULL, true },
	{ "perl",
	  "perl",
	  { ".pm", ".pl" },
	  { "/perl5/", "/perl-base/", "/perl/", "/lib/" },
	  "::",
	  NULL,
	  true },
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

/* Behind the last directory that is a root, "/usr/lib/python3.11/" among them. */
static const char *behind_roots(const struct language *l, const char *path)
{
	const char *rest = NULL;
	for (size_t k = 0; k < 8 && l->roots[k] != NULL; k++)
		for (const char *at = path; (at = strstr(at, l->roots[k])) != NULL;) {
			at += strlen(l->roots[k]);
			if (rest == NULL || at > rest)
				rest = at;
			at--;
		}
	if (rest == NULL && l == &languages[0]) {
		const char *at = strstr(path, "/python3.");
		rest = at != NULL ? strchr(at + 1, '/') : NULL;
		rest = rest != NULL ? rest + 1 : NULL;
	}
	if (rest == NULL)
		rest = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
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

const char *language_module(struct builder *b, const char *exe, const char *path,
			    const char **ret_language)
{
	const struct language *l = exe != NULL ? language_of(exe) : NULL;
	if (l == NULL || !is_of(l, path, strlen(path)))
		return NULL;
	char name[NAME_BYTES];
	size_t at = 0;
	const char *part = behind_roots(l, path);
	for (bool is_last = false; !is_last;) {
		const char *slash = strchr(part, '/');
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
	return at > 0 ? arena_internn(b->arena, name, at) : NULL;
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
