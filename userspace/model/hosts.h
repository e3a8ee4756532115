/* SPDX-License-Identifier: MIT */
/* THE table of facts about a machine: which there are, and which must be equal for times measured on
 * two machines to be compared. To add one: a member of struct host, a row here, a row of the
 * document (session_fields.c) and docs/trace-format.md, and who collects it (collect/proc/facts.c). */
#ifndef USERSPACE_MODEL_HOSTS_H
#define USERSPACE_MODEL_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/model/session.h"

enum host_fact_type { HOST_TEXT, HOST_NUMBER, HOST_BYTES };

struct host_fact {
	const char *key; /* in the document; in a recording "host." comes before it */
	enum host_fact_type type;
	size_t offset;	    /* in struct host: const char *, else int64_t */
	bool must_be_equal; /* else it is only mentioned */
};

extern const struct host_fact host_facts[]; /* ends with a NULL key */

#define HOST_UNKNOWN ((struct host){ .cpus = UNKNOWN, .memory_bytes = UNKNOWN })

/* Takes over fact @key. Others, and numbers that are none, are left alone. @value is borrowed. */
void host_read(struct host *host, const char *key, size_t key_length, const char *value);

/* The digest of all known facts that must be equal: the class of the machine. NULL when none is
 * known, or no memory. */
const char *host_fingerprint(struct arena *arena, const struct host *host);

/* For people, in @arena: memory in whole GiB, since what the firmware keeps for itself varies from
 * boot to boot. Equal texts are equal facts. "" when it is not known; NULL: no memory. */
const char *host_text(struct arena *arena, const struct host *host, const struct host_fact *fact);

#endif
