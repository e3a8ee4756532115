/* SPDX-License-Identifier: MIT */
/* {NAME} that no matrix has: a parameter with another name than the one that was meant, which the program
 * would be given as it stands. Braces have other uses (awk '{print}', a {2,3} of a regular expression), so
 * outside of an unquoted command only what looks like a mistyped parameter is one. */

#include <errno.h>
#include <string.h>

#include "userspace/base/nearest.h"
#include "userspace/gate/config_internal.h"

#define NAMES_MAX  ((size_t)64)
#define NAME_BYTES ((size_t)64)
/* As deep as config_matrix.c looks for what is used. */
#define DEPTH_MAX 8

struct braces {
	struct reader *reader;
	const char *names[NAMES_MAX + 1]; /* of parameters; ends with NULL */
	size_t n;
};

static bool is_parameter(const struct braces *b, const char *name)
{
	for (size_t i = 0; i < b->n; i++) {
		if (strcmp(b->names[i], name) == 0)
			return true;
	}
	return false;
}

/* "{name}" at @at: copies the name, and returns how long all of it is; 0: it is none. ${name}, %{name},
 * \{name} and {{name}} are somebody else's. */
static size_t name_at(const char *text, const char *at, char name[static NAME_BYTES])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	static const char all[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789-";
	const size_t n = strspn(at + 1, all);
	if (*at != '{' || strspn(at + 1, letters) == 0 || n >= NAME_BYTES || at[1 + n] != '}' ||
	    at[2 + n] == '}' || (at > text && strchr("$%\\{", at[-1]) != NULL))
		return 0;
	memcpy(name, at + 1, n);
	name[n] = '\0';
	return n + 2;
}

static int refuse(const struct braces *b, node *n, size_t offset, const char *name,
		  const char *meant)
{
	if (meant != NULL)
		return node_error_at(b->reader, n, offset,
				     "no matrix has a parameter {%s}; did you mean {%s}?", name,
				     meant);
	return node_error_at(b->reader, n, offset,
			     "no matrix has a parameter {%s}: define it under `matrix`, or put it "
			     "into quotes",
			     name);
}

static int check_text(const struct braces *b, node *n, bool is_command)
{
	const char *text = (const char *)n->data.scalar.value;
	char name[NAME_BYTES], quote = '\0';
	for (const char *at = text; *at != '\0'; at++) {
		if (strchr("'\"", *at) != NULL && (quote == '\0' || quote == *at))
			quote = (char)(quote == '\0' ? *at : '\0');
		if (name_at(text, at, name) == 0 || is_parameter(b, name))
			continue;
		const char *meant = nearest_word(name, b->names);
		if (meant != NULL || (is_command && quote == '\0'))
			return refuse(b, n, (size_t)(at - text), name, meant);
	}
	return 0;
}

static int check_node(struct braces *b, node *n, bool is_command, unsigned int depth)
{
	int e = 0;
	if (n->type == YAML_SCALAR_NODE)
		return check_text(b, n, is_command);
	if (depth == DEPTH_MAX)
		return 0;
	/* How large all of it may be, config_matrix.c has seen to. */
	for (size_t i = 0; e == 0 && i < node_count(n); i++) {
		node *key = NULL, *value = NULL;
		if (node_is_list(n)) {
			e = check_node(b, node_item(b->reader, n, i), is_command, depth + 1);
			continue;
		}
		node_pair(b->reader, n, i, &key, &value);
		e = check_node(b, key, false, depth + 1);
		if (e == 0)
			e = check_node(b, value, node_is(key, "command"), depth + 1);
	}
	return e;
}

static void add_names(struct braces *b, node *matrix)
{
	for (size_t i = 0; matrix != NULL && i < node_count(matrix) && b->n < NAMES_MAX; i++) {
		node *key, *value;
		node_pair(b->reader, matrix, i, &key, &value);
		if (key->type == YAML_SCALAR_NODE)
			b->names[b->n++] = (const char *)key->data.scalar.value;
	}
}

int braces_check(struct reader *r, node *top, node *own, node *scenario)
{
	struct braces b = { .reader = r };
	add_names(&b, top);
	add_names(&b, own);
	return check_node(&b, scenario, false, 0);
}
