/* SPDX-License-Identifier: MIT */
/* Facts about machines. */

#include "userspace/model/hosts.h"

#include <sha256.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"

#define TEXT_MAX ((size_t)64 << 10) /* of all facts together */

/* In the order in which a difference is told: what explains most comes first. The image and the
 * distribution are where the program comes from rather than where it runs: a new one may be the very
 * change that is measured. */
const struct host_fact host_facts[] = {
	/* clang-format off */
	{ "cpu",	     HOST_TEXT,	  offsetof(struct host, cpu),		  true },
	{ "stepping",	     HOST_TEXT,	  offsetof(struct host, stepping),	  true },
	{ "microcode",	     HOST_TEXT,	  offsetof(struct host, microcode),	  true },
	{ "cpus",	     HOST_NUMBER, offsetof(struct host, cpus),		  true },
	{ "cpu_quota",	     HOST_TEXT,	  offsetof(struct host, cpu_quota),	  true },
	{ "governor",	     HOST_TEXT,	  offsetof(struct host, governor),	  true },
	{ "turbo",	     HOST_TEXT,	  offsetof(struct host, turbo),		  true },
	{ "virtual",	     HOST_TEXT,	  offsetof(struct host, virtual),	  true },
	{ "container",	     HOST_TEXT,	  offsetof(struct host, container),	  true },
	{ "memory_bytes",    HOST_BYTES,  offsetof(struct host, memory_bytes),	  true },
	{ "kernel",	     HOST_TEXT,	  offsetof(struct host, kernel),	  true },
	{ "libc",	     HOST_TEXT,	  offsetof(struct host, libc),		  true },
	{ "libc_build_id",   HOST_TEXT,	  offsetof(struct host, libc_build_id),	  true },
	{ "loader_build_id", HOST_TEXT,	  offsetof(struct host, loader_build_id), true },
	{ "image",	     HOST_TEXT,	  offsetof(struct host, image),		  false },
	{ "os",		     HOST_TEXT,	  offsetof(struct host, os),		  false },
	{ .key = NULL },
	/* clang-format on */
};

static const void *member(const struct host *host, const struct host_fact *fact)
{
	return (const char *)host + fact->offset;
}

void host_read(struct host *host, const char *key, size_t key_length, const char *value)
{
	for (const struct host_fact *fact = host_facts; fact->key != NULL; fact++) {
		if (strlen(fact->key) != key_length || memcmp(fact->key, key, key_length) != 0)
			continue;
		void *field = (char *)host + fact->offset;
		int64_t number;
		if (fact->type == HOST_TEXT)
			*(const char **)field = value;
		else if (parse_i64(value, &number) == 0)
			*(int64_t *)field = number;
	}
}

const char *host_text(struct arena *arena, const struct host *host, const struct host_fact *fact)
{
	if (fact->type == HOST_TEXT) {
		const char *text = *(const char *const *)member(host, fact);
		return text != NULL ? text : "";
	}
	const int64_t number = *(const int64_t *)member(host, fact);
	if (number == UNKNOWN)
		return "";
	if (fact->type == HOST_NUMBER)
		return arena_printf(arena, "%lld", (long long)number);
	const int64_t half = INT64_C(1) << 29;
	const int64_t rounded = number > INT64_MAX - half ? number : number + half;
	return arena_printf(arena, "%lld GiB", (long long)(rounded / (2 * half)));
}

const char *host_fingerprint(struct arena *arena, const struct host *host)
{
	char digest[SHA256_DIGEST_STRING_LENGTH];
	_cleanup_(buf_done) struct buf facts;
	buf_init(&facts, TEXT_MAX);
	for (const struct host_fact *fact = host_facts; fact->key != NULL; fact++) {
		const char *text = fact->must_be_equal ? host_text(arena, host, fact) : "";
		if (text == NULL)
			return NULL;
		if (text[0] != '\0')
			(void)buf_addf(&facts, "%s=%s\n", fact->key, text);
	}
	if (facts.len == 0)
		return NULL;
	(void)SHA256Data((const uint8_t *)buf_str(&facts), facts.len, digest);
	return arena_printf(arena, "sha256:%s", digest);
}
