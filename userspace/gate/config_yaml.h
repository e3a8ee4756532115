/* SPDX-License-Identifier: MIT */
/* Values of a YAML document, each checked and each mistake with its place. The only user of libyaml.
 *
 * The take functions look up a key of a mapping: one that is not there leaves *ret as it is and
 * is no error. All return 0 or -EINVAL or -ENOMEM, logged. Texts live in the reader's arena, with the
 * parameters of its cell put in. */
#ifndef USERSPACE_GATE_CONFIG_YAML_H
#define USERSPACE_GATE_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#include "userspace/base/buf.h"
#include "userspace/gate/config.h"

typedef const yaml_node_t node;

struct reader {
	struct arena *arena;
	const char *path;
	yaml_document_t *document;
	const struct parameter *parameters; /* of the cell that is being read */
	size_t n_parameters;
	size_t work; /* values read so far: aliases make small files large */
};

/* Parses @text into reader->document, which is the caller's to delete; -EINVAL as all here. */
int reader_open(struct reader *r, const char *text, size_t length, yaml_document_t *ret);

/* -ENOMEM, as it is said. */
int reader_no_memory(const struct reader *r);
/* "PATH:LINE:COLUMN: …"; -EINVAL. @offset: bytes into the text of a scalar. */
int node_error(const struct reader *r, node *n, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int node_error_at(const struct reader *r, node *n, size_t offset, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int node_line(node *n);

/* Is it a mapping with keys of @allowed (ends with NULL) only, none twice? @what: "a scenario". */
int node_check_keys(struct reader *r, node *n, const char *what, const char *const *allowed);
/* The value of a key; NULL: there is none. */
node *node_find(const struct reader *r, node *mapping, const char *key);

bool node_is(node *n, const char *text); /* a scalar of that text */
bool node_is_list(node *n);
bool node_is_mapping(node *n);
/* Of a list or mapping. */
size_t node_count(node *n);
node *node_item(const struct reader *r, node *list, size_t i);
void node_pair(const struct reader *r, node *mapping, size_t i, node **ret_key, node **ret_value);

/* Appends @text; {NAME} of a parameter becomes its value, other braces stay what they are. */
void reader_put_in(const struct reader *r, const char *text, size_t n, struct buf *out);

/* A scalar that is not empty. @what: "a command such as …" as in "expected …". */
int node_text(struct reader *r, node *n, const char *what, const char **ret);

int take_text(struct reader *r, node *mapping, const char *key, const char *what, const char **ret);
/* One text or a list of them. */
int take_texts(struct reader *r, node *mapping, const char *key, const char *what,
	       struct text_list *ret);
int take_bool(struct reader *r, node *mapping, const char *key, bool *ret);
int take_count(struct reader *r, node *mapping, const char *key, size_t least, size_t most,
	       size_t *ret);
int take_duration(struct reader *r, node *mapping, const char *key, uint64_t *ret_ns);
/* "5 %" or 0.05. */
int take_share(struct reader *r, node *mapping, const char *key, double *ret);

#endif
