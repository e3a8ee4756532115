/* SPDX-License-Identifier: MIT */
/* From libyaml's nodes to checked values. The document is untrusted: bounded in size and in what its
 * aliases multiply to. */

#include "userspace/gate/config_yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/nearest.h"
#include "userspace/base/units.h"

/* Values of one file, aliases followed: a thousand scenarios of a hundred each. */
#define WORK_MAX    ((size_t)100000)
#define TEXT_MAX    ((size_t)64 << 10)
#define MESSAGE_MAX 1024
#define SHARE_MAX   1000.0

/* --- mistakes ------------------------------------------------------------------------------- */

int node_line(node *n)
{
	return (int)n->start_mark.line + 1;
}

__attribute__((format(printf, 4, 0))) static int
error_at(const struct reader *r, size_t line, size_t column, const char *format, va_list args)
{
	char message[MESSAGE_MAX];
	(void)vsnprintf(message, sizeof(message), format, args);
	return fail(-EINVAL, "%s:%zu:%zu: %s", r->path, line + 1, column + 1, message);
}

int node_error(const struct reader *r, node *n, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const int e = error_at(r, n->start_mark.line, n->start_mark.column, format, args);
	va_end(args);
	return e;
}

/* Where a byte of a scalar stands: known only if nothing in it was escaped or folded. */
static size_t column_of(node *n, size_t offset)
{
	const size_t quotes = n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? 0 : 1;
	const bool is_as_written =
		n->start_mark.line == n->end_mark.line &&
		n->end_mark.column - n->start_mark.column == n->data.scalar.length + 2 * quotes;
	return n->start_mark.column + (is_as_written ? quotes + offset : 0);
}

int node_error_at(const struct reader *r, node *n, size_t offset, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const int e = error_at(r, n->start_mark.line, column_of(n, offset), format, args);
	va_end(args);
	return e;
}

int reader_no_memory(const struct reader *r)
{
	return fail(-ENOMEM, "not enough memory for '%s'", r->path);
}

/* A text that ends where it ends, and not with a NUL. */
struct extent {
	const char *at, *end;
};

static bool is_indented_by_tab(struct extent text, size_t line)
{
	for (; line > 0 && text.at != NULL; line--) {
		const char *newline = memchr(text.at, '\n', (size_t)(text.end - text.at));
		text.at = newline != NULL ? newline + 1 : NULL;
	}
	bool has_tab = false;
	if (text.at == NULL)
		return false;
	for (; text.at < text.end && (*text.at == ' ' || *text.at == '\t'); text.at++)
		has_tab |= *text.at == '\t';
	return has_tab;
}

/* What people write when they meant text. */
static const char *advice(const yaml_parser_t *parser, struct extent text)
{
	if (is_indented_by_tab(text, parser->problem_mark.line))
		return ": indent with blanks, not tabs";
	const char *problem = parser->problem != NULL ? parser->problem : "";
	const char *context = parser->context != NULL ? parser->context : "";
	if (strstr(context, "block scalar") != NULL)
		return ": put a value that begins with > or | into quotes";
	if (strstr(problem, "cannot start any token") != NULL)
		return ": put the value into quotes";
	if (strstr(problem, "mapping values are not allowed") != NULL)
		return ": put a value that contains ': ' into quotes";
	if (strstr(problem, "did not find expected ',' or") != NULL)
		return ": put a value that contains { } [ ] or a comma into quotes";
	if (strstr(problem, "did not find expected '-'") != NULL ||
	    strstr(problem, "did not find expected key") != NULL)
		return ": indent it as what it belongs to";
	return "";
}

static int syntax_error(const struct reader *r, const yaml_parser_t *parser, struct extent text)
{
	const char *problem = parser->problem != NULL ? parser->problem : "not YAML";
	if (parser->error == YAML_MEMORY_ERROR)
		return reader_no_memory(r);
	if (parser->error == YAML_READER_ERROR)
		return fail(-EINVAL, "%s: byte %zu: %s", r->path, parser->problem_offset, problem);
	return fail(-EINVAL, "%s:%zu:%zu: %s%s", r->path, parser->problem_mark.line + 1,
		    parser->problem_mark.column + 1, problem, advice(parser, text));
}

/* What stands behind the first document would be ignored. */
static int refuse_second(const struct reader *r, yaml_parser_t *parser, struct extent text)
{
	yaml_document_t second;
	if (yaml_parser_load(parser, &second) == 0)
		return syntax_error(r, parser, text);
	node *root = yaml_document_get_root_node(&second);
	const int e = root == NULL ? 0 : node_error(r, root, "a second document: one file has one");
	yaml_document_delete(&second);
	return e;
}

int reader_open(struct reader *r, const char *text, size_t length, yaml_document_t *ret)
{
	yaml_parser_t parser;
	const struct extent all = { text, text + length };
	if (yaml_parser_initialize(&parser) == 0)
		return reader_no_memory(r);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	int e = yaml_parser_load(&parser, ret) == 0 ? syntax_error(r, &parser, all) : 0;
	if (e == 0) {
		r->document = ret;
		/* An empty file has no document, and that ends the parser. */
		e = yaml_document_get_root_node(ret) != NULL ? refuse_second(r, &parser, all) : 0;
		if (e < 0)
			yaml_document_delete(ret);
	}
	yaml_parser_delete(&parser);
	return e;
}

/* --- nodes ---------------------------------------------------------------------------------- */

static node *node_at(const struct reader *r, int index)
{
	return yaml_document_get_node(r->document, index);
}

bool node_is_list(node *n)
{
	return n->type == YAML_SEQUENCE_NODE;
}

bool node_is_mapping(node *n)
{
	return n->type == YAML_MAPPING_NODE;
}

size_t node_count(node *n)
{
	if (node_is_list(n))
		return (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
	return node_is_mapping(n)
		       ? (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start)
		       : 0;
}

node *node_item(const struct reader *r, node *list, size_t i)
{
	return node_at(r, list->data.sequence.items.start[i]);
}

void node_pair(const struct reader *r, node *mapping, size_t i, node **ret_key, node **ret_value)
{
	const yaml_node_pair_t *pair = &mapping->data.mapping.pairs.start[i];
	*ret_key = node_at(r, pair->key);
	*ret_value = node_at(r, pair->value);
}

bool node_is(node *n, const char *text)
{
	return n->type == YAML_SCALAR_NODE && n->data.scalar.length == strlen(text) &&
	       memcmp(n->data.scalar.value, text, n->data.scalar.length) == 0;
}

node *node_find(const struct reader *r, node *mapping, const char *key)
{
	/* A list in its place is found to be a mistake later. */
	for (size_t i = 0; node_is_mapping(mapping) && i < node_count(mapping); i++) {
		node *name, *value;
		node_pair(r, mapping, i, &name, &value);
		if (node_is(name, key))
			return value;
	}
	return NULL;
}

static bool is_allowed(node *key, const char *const *allowed)
{
	for (; *allowed != NULL; allowed++) {
		if (node_is(key, *allowed))
			return true;
	}
	return false;
}

static int unknown_key(const struct reader *r, node *key, const char *what,
		       const char *const *allowed)
{
	_cleanup_(buf_done) struct buf all;
	buf_init(&all, MESSAGE_MAX);
	if (key->type != YAML_SCALAR_NODE)
		return node_error(r, key, "expected the name of a key of %s", what);
	const char *name = (const char *)key->data.scalar.value;
	const char *meant = nearest_word(name, allowed);
	if (meant != NULL)
		return node_error(r, key, "'%s' is not a key of %s; did you mean '%s'?", name, what,
				  meant);
	for (const char *const *word = allowed; *word != NULL; word++)
		(void)buf_addf(&all, "%s%s", word == allowed ? "" : ", ", *word);
	return node_error(r, key, "'%s' is not a key of %s; there are %s", name, what,
			  buf_str(&all));
}

int node_check_keys(struct reader *r, node *n, const char *what, const char *const *allowed)
{
	node *value;
	if (!node_is_mapping(n))
		return node_error(r, n, "expected keys and values of %s, as in '%s: …'", what,
				  allowed[0]);
	for (size_t i = 0; i < node_count(n); i++) {
		node *key, *before;
		node_pair(r, n, i, &key, &value);
		if (!is_allowed(key, allowed))
			return unknown_key(r, key, what, allowed);
		/* There are no more keys before it than are allowed. */
		for (size_t k = 0; k < i; k++) {
			node_pair(r, n, k, &before, &value);
			if (node_is(before, (const char *)key->data.scalar.value))
				return node_error(r, key, "'%s' is given twice; first in line %d",
						  key->data.scalar.value, node_line(before));
		}
	}
	return 0;
}

/* --- texts ---------------------------------------------------------------------------------- */

void reader_put_in(const struct reader *r, const char *text, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n;) {
		size_t taken = 0;
		for (size_t k = 0; text[i] == '{' && k < r->n_parameters && taken == 0; k++) {
			const size_t length = strlen(r->parameters[k].name);
			if (strncmp(text + i + 1, r->parameters[k].name, length) == 0 &&
			    text[i + 1 + length] == '}') {
				(void)buf_adds(out, r->parameters[k].value);
				taken = length + 2;
			}
		}
		if (taken == 0)
			(void)buf_addc(out, text[i]);
		i += taken > 0 ? taken : 1;
	}
}

static bool is_null(node *n)
{
	const char *const words[] = { "", "~", "null", NULL };
	return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && is_allowed(n, words);
}

int node_text(struct reader *r, node *n, const char *what, const char **ret)
{
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, TEXT_MAX);
	if (++r->work > WORK_MAX)
		return node_error(r, n, "this file is too large: more than %zu values", WORK_MAX);
	if (n->type != YAML_SCALAR_NODE || is_null(n) || n->data.scalar.length == 0)
		return node_error(r, n, "expected %s", what);
	const char *raw = (const char *)n->data.scalar.value;
	if (memchr(raw, '\0', n->data.scalar.length) != NULL)
		return node_error(r, n, "a zero byte is not allowed in a text");
	reader_put_in(r, raw, n->data.scalar.length, &text);
	if (text.error == -EFBIG)
		return node_error(r, n, "that text is too long");
	*ret = arena_strdup(r->arena, buf_str(&text));
	return text.error < 0 || *ret == NULL ? reader_no_memory(r) : 0;
}

int take_text(struct reader *r, node *mapping, const char *key, const char *what, const char **ret)
{
	node *n = node_find(r, mapping, key);
	return n == NULL ? 0 : node_text(r, n, what, ret);
}

int take_texts(struct reader *r, node *mapping, const char *key, const char *what,
	       struct text_list *ret)
{
	node *n = node_find(r, mapping, key);
	if (n == NULL)
		return 0;
	const bool is_list = node_is_list(n);
	const size_t count = is_list ? node_count(n) : 1;
	ret->n = 0;
	ret->items = arena_alloc_array(r->arena, count, sizeof(*ret->items));
	if (ret->items == NULL)
		return reader_no_memory(r);
	for (size_t i = 0; i < count; i++) {
		const int e =
			node_text(r, is_list ? node_item(r, n, i) : n, what, &ret->items[ret->n++]);
		if (e < 0)
			return e;
	}
	return 0;
}

/* --- numbers -------------------------------------------------------------------------------- */

int take_bool(struct reader *r, node *mapping, const char *key, bool *ret)
{
	node *n = node_find(r, mapping, key);
	if (n == NULL)
		return 0;
	const bool is_scalar = n->type == YAML_SCALAR_NODE;
	if (!node_is(n, "true") && !node_is(n, "false"))
		return node_error(r, n, "%s%s%s%s: write true or false", key, is_scalar ? " '" : "",
				  is_scalar ? (const char *)n->data.scalar.value : "",
				  is_scalar ? "'" : "");
	*ret = node_is(n, "true");
	return 0;
}

int take_count(struct reader *r, node *mapping, const char *key, size_t least, size_t most,
	       size_t *ret)
{
	node *n = node_find(r, mapping, key);
	const char *text = NULL;
	uint64_t count = 0;
	if (n == NULL)
		return 0;
	const int e = node_text(r, n, "a number", &text);
	if (e < 0 || text == NULL)
		return e;
	if (parse_u64(text, &count) < 0 || count < least || count > most)
		return node_error(r, n, "%s '%s': write a number from %zu to %zu", key, text, least,
				  most);
	*ret = (size_t)count;
	return 0;
}

int take_duration(struct reader *r, node *mapping, const char *key, uint64_t *ret_ns)
{
	node *n = node_find(r, mapping, key);
	const char *text = NULL;
	uint64_t ns = 0;
	if (n == NULL)
		return 0;
	const int e = node_text(r, n, "a time such as 60 s", &text);
	if (e < 0 || text == NULL)
		return e;
	if (parse_duration(text, &ns) < 0 || ns == 0)
		return node_error(r, n, "%s '%s': write a time such as '60 s', '500 ms' or '2 min'",
				  key, text);
	*ret_ns = ns;
	return 0;
}

static int parse_share(const char *text, double *ret)
{
	char number[UNITS_BYTES];
	const size_t n = strcspn(text, " %");
	const char *rest = text + n + strspn(text + n, " ");
	if (n >= sizeof(number) || (*rest != '\0' && strcmp(rest, "%") != 0))
		return -EINVAL;
	memcpy(number, text, n);
	number[n] = '\0';
	const int e = parse_double(number, ret);
	if (*rest == '%')
		*ret /= 100;
	/* "10" is meant as 10 % and would be 1,000 %: a gate that never fails. */
	else if (e == 0 && *ret >= 1)
		return -EINVAL;
	return e;
}

int take_share(struct reader *r, node *mapping, const char *key, double *ret)
{
	node *n = node_find(r, mapping, key);
	const char *text = NULL;
	double share = 0;
	if (n == NULL)
		return 0;
	const int e = node_text(r, n, "a percentage such as 10 %", &text);
	if (e < 0 || text == NULL)
		return e;
	if (parse_share(text, &share) < 0 || share < 0 || share > SHARE_MAX)
		return node_error(r, n, "%s '%s': write a percentage such as '10 %%'", key, text);
	*ret = share;
	return 0;
}
