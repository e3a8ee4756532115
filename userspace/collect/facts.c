/* SPDX-License-Identifier: MIT */
/* Facts about the machine, one META event each. Those that decide whether two recordings can be
 * compared at all also go into a fingerprint. */

#include "userspace/collect/internal.h"

#include <ctype.h>
#include <gnu/libc-version.h>
#include <sched.h>
#include <sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/units.h"
#include "userspace/collect/emit.h"

/* /proc/cpuinfo of a machine with a thousand CPUs is about two megabytes; the first is enough. */
#define FILE_MAX  (64u * 1024)
#define VALUE_MAX 256

struct facts {
	struct sink sink;
	struct buf stable; /* "key=value\n" of what the fingerprint covers */
	int error;
};

/* Appends the fact if it is known. */
static void fact(struct facts *f, const char *key, const char *value, bool is_stable)
{
	if (f->error < 0 || *value == '\0')
		return;
	f->error = emit_meta(f->sink, key, "%s", value);
	if (is_stable)
		(void)buf_addf(&f->stable, "%s=%s\n", key, value);
}

/* The first bytes of a file, as a string; "" when it cannot be read. */
static void read_head(const char *path, struct buf *ret)
{
	(void)fs_read_file(path, ret);
}

/* The rest of the line that begins with @key and then blanks, '=' or ':'. Quotes are taken off. */
static void value_of(const char *text, const char *key, char value[static VALUE_MAX])
{
	const size_t n = strlen(key);
	value[0] = '\0';
	for (const char *line = text; *line != '\0';) {
		const char *end = strchrnul(line, '\n');
		if (strncmp(line, key, n) == 0 && strchr(" \t:=", line[n]) != NULL) {
			const char *from = line + n + strspn(line + n, " \t:=\"");
			size_t length = (size_t)(end - from);
			while (length > 0 && strchr(" \t\"", from[length - 1]) != NULL)
				length--;
			(void)snprintf(value, VALUE_MAX, "%.*s", (int)length, from);
			return;
		}
		line = *end == '\n' ? end + 1 : end;
	}
}

static void fact_of_file(struct facts *f, const char *key, const char *path, const char *name,
			 bool is_stable)
{
	_cleanup_(buf_done) struct buf text;
	char value[VALUE_MAX];
	buf_init(&text, FILE_MAX);
	read_head(path, &text);
	if (name != NULL) {
		value_of(buf_str(&text), name, value);
	} else {
		const char *s = buf_str(&text);
		(void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(s, "\n"), s);
	}
	fact(f, key, value, is_stable);
}

static void fact_number(struct facts *f, const char *key, uint64_t n, bool is_stable)
{
	char value[32];
	(void)snprintf(value, sizeof(value), "%llu", (unsigned long long)n);
	fact(f, key, value, is_stable);
}

static void facts_of_cpu(struct facts *f)
{
	cpu_set_t set;
	fact_of_file(f, "host.cpu", "/proc/cpuinfo", "model name", true);
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		fact_number(f, "host.cpus", (uint64_t)CPU_COUNT(&set), true);
	fact_of_file(f, "host.governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
		     NULL, true);
}

static void facts_of_system(struct facts *f)
{
	struct utsname names;
	char libc[64];
	if (uname(&names) == 0) {
		fact(f, "host.name", names.nodename, false);
		fact(f, "host.kernel", names.release, true);
	}
	fact_of_file(f, "host.os", "/etc/os-release", "PRETTY_NAME", true);
	(void)snprintf(libc, sizeof(libc), "glibc %s", gnu_get_libc_version());
	fact(f, "host.libc", libc, true);

	/* To the nearest gigabyte: what the firmware keeps for itself varies from boot to boot. */
	const uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	fact_number(f, "host.memory_bytes", memory, false);
	(void)buf_addf(&f->stable, "memory=%llu\n",
		       (unsigned long long)((memory + (1u << 29)) >> 30));

	if (access("/.dockerenv", F_OK) == 0)
		fact(f, "host.virtual", "docker", true);
	else if (access("/run/.containerenv", F_OK) == 0)
		fact(f, "host.virtual", "podman", true);
	else
		fact_of_file(f, "host.virtual", "/sys/class/dmi/id/sys_vendor", NULL, true);
}

static void fact_of_fingerprint(struct facts *f)
{
	char digest[SHA256_DIGEST_STRING_LENGTH];
	char value[sizeof(digest) + sizeof("sha256:")];
	(void)SHA256Data((const uint8_t *)buf_str(&f->stable), f->stable.len, digest);
	(void)snprintf(value, sizeof(value), "sha256:%s", digest);
	fact(f, "host.fingerprint", value, false);
}

/* Variables that change how programs start, and that carry no secrets. */
static void facts_of_environment(struct facts *f)
{
	static const char *const names[] = {
		"LANG",
		"LC_ALL",
		"TZ",
		"MALLOC_ARENA_MAX",
		"GLIBC_TUNABLES",
		"LD_BIND_NOW",
		"PYTHONHASHSEED",
		"GOMAXPROCS",
		"GOGC",
		"NODE_ENV",
		"RAILS_ENV",
		"MALLOC_PERTURB_",
		"CI",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = getenv(names[i]);
		char key[64];
		(void)snprintf(key, sizeof(key), "env.%s", names[i]);
		if (value != NULL)
			fact(f, key, value, false);
	}
}

int source_proc_facts(struct sink sink)
{
	struct facts f = { .sink = sink };
	_cleanup_free_ char *directory = getcwd(NULL, 0);
	struct timespec now;
	buf_init(&f.stable, FILE_MAX);

	fact(&f, "version", STARTLINE_VERSION, false);
	if (clock_gettime(CLOCK_REALTIME, &now) == 0)
		fact_number(&f, "realtime_ns",
			    (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec, false);
	if (directory != NULL)
		fact(&f, "directory", directory, false);
	facts_of_cpu(&f);
	facts_of_system(&f);
	fact_of_fingerprint(&f);
	facts_of_environment(&f);
	buf_done(&f.stable);
	return f.error;
}
