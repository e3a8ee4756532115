/* SPDX-License-Identifier: MIT */
/* What the files of this folder share. */
#ifndef USERSPACE_STORE_INTERNAL_H
#define USERSPACE_STORE_INTERNAL_H

#include <stdint.h>

#include "userspace/base/arena.h"
#include "userspace/store/blob.h"
#include "userspace/store/store.h"
#include "userspace/store/store_sql.h"

/* A key is as many digits of a digest as are exact in a signed number everywhere. */
#define KEY_DIGITS 15

struct store {
	struct sql sql;
	char *where, *name;
	char last_id[BLOB_ID_BYTES];
};

struct entry { /* a row of the statements that give entries, in an arena */
	int64_t number;
	struct store_entry about;
	const char *name; /* of a baseline, else NULL */
};

int64_t session_key(const char *id);
int64_t series_key(struct arena *arena, const char *scenario, const char *host_class,
		   const char *metric);

/* Tells a bool that there is a row. */
int see_row(void *context, const struct sql_value *cells, size_t n);
/* Copies a row. -ENOMEM. */
int entry_read(struct arena *arena, const struct sql_value *cells, size_t n, struct entry *ret);
/* The one row of @statement. -ENOENT, not logged: there is none. */
int entry_find(struct store *st, enum statement statement, const struct sql_value *parameters,
	       size_t n_parameters, struct arena *arena, struct entry *ret);
/* By id or a beginning of it; all failures are logged. */
int entry_by_id(struct store *st, const char *id, struct arena *arena, struct entry *ret);

int document_load(struct store *st, int64_t number, struct session **ret);
/* Within a transaction. *ret_number: the session's key. */
int session_put(struct store *st, const struct session *s, const struct store_entry *about,
		struct arena *arena, int64_t *ret_number);

#endif
