/* SPDX-License-Identifier: MIT */
/* Other tools' results as sessions: metrics with their raw values, no timeline. Recognised by
 * content, never by name. To add one: a row in foreign.c and a tools/<tool>.c; tests/fuzz takes
 * it from the table. The ids that it gives are described in docs/metrics.md. */
#ifndef USERSPACE_FOREIGN_FOREIGN_H
#define USERSPACE_FOREIGN_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/base/buf.h"
#include "userspace/model/session.h"

/* A document with more text than that is no summary of a benchmark. */
#define FOREIGN_MAX_LENGTH ((size_t)256 << 20)

struct gathering;
struct cJSON;

/* What the values of one metric in one result are. */
enum samples {
	SAMPLES_OF_PROCESS, /* rounds, iterations, repetitions within one process */
	SAMPLES_OF_RUNS,    /* of a process each */
	SAMPLES_UNKNOWN,    /* single values, or statistics over what is no repetition */
};

struct foreign {
	const char *name; /* "hyperfine" */
	const char *help; /* "JSON of --export-json" */
	enum samples samples;
	/* Whether the beginning of a file, or a directory, looks like it: one of the two. */
	bool (*sniff)(const char *text, size_t length);
	bool (*knows)(const char *path);
	/* One of the three, of a directory the last; what is damaged is an error of @g, with its place. */
	void (*read)(struct gathering *g, const char *text, size_t length);
	void (*read_json)(struct gathering *g, const struct cJSON *json);
	void (*read_directory)(struct gathering *g);
};
extern const struct foreign foreigns[]; /* ends with a NULL name */

/* *ret is NULL when no reader knows it: not an error. @text: the whole file; NULL: @path is a
 * directory. Else 0, with a session that has at least one metric, or a negative errno, logged. */
int foreign_read(const char *text, size_t length, const char *path, struct session **ret);

/* "DIRECTORY" or "DIRECTORY@NAME", where NAME says which of the results in it: splits @path into
 * @ret_directory, which is appended to, and *ret_name, which points into @path or is NULL. False:
 * that is no directory. What exists under the whole name is not split. */
bool foreign_split(const char *path, struct buf *ret_directory, const char **ret_name);

/* "FILE#ENTRY", the same of a directory: ENTRY, which points into @ref, or NULL where there is none.
 * What exists under a longer name is not split. Appends FILE to @ret_path. */
const char *foreign_entry(const char *ref, struct buf *ret_path);
/* Leaves only the entries named @which, exactly or by a glob. Of one entry the name leaves the ids
 * ("bench[a]" is "bench"), of several what they have in common by the glob ("bench[old/8]" chosen by
 * "old" with a star behind is "bench[8]"). Negative errno, logged: -ENOENT with the names there are. */
int foreign_select(struct session *s, const char *which, const char *path);

/* Whether a tool writes directories such as @path. */
bool foreign_knows_directory(const char *path);

/* Puts the metrics of @parts[0..@n), which stay the caller's, into @into: the values of each are of other
 * processes. @path is what messages call them. Negative errno, logged. */
int foreign_merge(struct session *into, struct session *const *parts, size_t n, const char *path);

/* The names of all readers, as one line, for a message. */
const char *foreign_names(struct buf *ret);

#endif
