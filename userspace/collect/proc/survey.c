/* SPDX-License-Identifier: MIT */
/* THE table of things to find out. To add one: a function that fills a row, and its line in
 * `checks` with what its absence costs. */

#include "userspace/collect/proc/survey.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bpf/schema.h"
#include "preload/settings.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/rights.h"
#include "userspace/base/units.h"
#include "userspace/collect/proc/cgroup.h"
#include "userspace/collect/proc/survey_internal.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/source.h"

#define FILE_MAX	4096
#define SECURITYFS	"/sys/kernel/security"
#define LOCKDOWN_REMEDY "boot with lockdown=integrity or none"
/* A lane is a few pages per process, plus 8 bytes per size class and thread. */
#define TMPFS_ENOUGH (64ull * 1024 * 1024)
/* With a vDSO it takes 20 to 50 ns; as a system call, ten times as long. */
#define CLOCK_SLOW_NS 200

void survey_found(struct survey_row *row, enum survey_state state, const char *format, ...)
{
	va_list args;
	row->state = state;
	va_start(args, format);
	(void)vsnprintf(row->found, sizeof(row->found), format, args);
	va_end(args);
}

void survey_remedy(struct survey_row *row, const char *text)
{
	(void)snprintf(row->remedy, sizeof(row->remedy), "%s", text);
}

bool survey_first_line(const char *path, char line[static SURVEY_TEXT])
{
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, FILE_MAX);
	/* What does not fit is behind the first line. */
	const int r = fs_read_file(path, &text);
	if (r < 0 && r != -EFBIG)
		return false;
	const char *s = buf_str(&text);
	(void)snprintf(line, SURVEY_TEXT, "%.*s", (int)strcspn(s, "\n"), s);
	return true;
}

static void check_kernel(struct survey_row *row)
{
	struct utsname names;
	unsigned int major = 0;
	unsigned int minor = 0;
	if (uname(&names) < 0 || sscanf(names.release, "%u.%u", &major, &minor) != 2) {
		survey_found(row, SURVEY_MISSING, "unknown");
		return;
	}
	const bool is_new = major > 5 || (major == 5 && minor >= 15);
	survey_found(row, is_new ? SURVEY_OK : SURVEY_LIMITED, "Linux %s, %s", names.release,
		     names.machine);
	if (!is_new)
		survey_remedy(row, "use a kernel of 5.15 or later");
}

static void check_btf(struct survey_row *row)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";
	if (access(path, R_OK) == 0) {
		survey_found(row, SURVEY_OK, "%s", path);
		return;
	}
	survey_found(row, SURVEY_MISSING, "%s: %s", path, strerror(errno));
	survey_remedy(row, "use a kernel built with CONFIG_DEBUG_INFO_BTF=y");
}

static void check_rights(struct survey_row *row)
{
	char line[SURVEY_TEXT];
	_cleanup_(buf_done) struct buf status;
	unsigned long long effective = 0;
	enum { CAP_PERFMON_BIT = 38, CAP_BPF_BIT = 39 };
	buf_init(&status, FILE_MAX);
	(void)fs_read_file("/proc/self/status", &status);
	const char *at = strstr(buf_str(&status), "CapEff:");
	if (at != NULL)
		(void)sscanf(at, "CapEff: %llx", &effective);
	const bool has_both = (effective >> CAP_PERFMON_BIT & 1) && (effective >> CAP_BPF_BIT & 1);
	(void)snprintf(line, sizeof(line), "%s, %s CAP_BPF and CAP_PERFMON",
		       geteuid() == 0 ? "root" : "not root", has_both ? "with" : "without");
	survey_found(row, has_both ? SURVEY_OK : SURVEY_MISSING, "%s", line);
	if (!has_both)
		survey_remedy(row, geteuid() == 0
					   ? "give this container CAP_BPF and CAP_PERFMON"
					   : "sudo startline …: the program still runs as you");
}

/* Where securityfs is not mounted, what a trial tells: all that matters here. */
static void try_lockdown(struct survey_row *row)
{
	static const char unseen[] = "securityfs is not mounted";
	const int reads = source_bpf_reads_kernel();
	if (reads > 0) {
		survey_found(row, SURVEY_OK, "unknown: %s; not confidentiality, by trying", unseen);
	} else if (reads == 0) {
		survey_found(row, SURVEY_MISSING, "confidentiality, by trying; %s", unseen);
		survey_remedy(row, LOCKDOWN_REMEDY);
	} else {
		survey_found(row, SURVEY_LIMITED, "unknown: %s", unseen);
		survey_remedy(row, "mount -t securityfs securityfs " SECURITYFS);
	}
}

static void check_lockdown(struct survey_row *row)
{
	char line[SURVEY_TEXT];
	struct statfs fs;
	if (survey_first_line(SECURITYFS "/lockdown", line)) {
		const bool is_strict = strstr(line, "[confidentiality]") != NULL;
		survey_found(row, is_strict ? SURVEY_MISSING : SURVEY_OK, "%s", line);
		if (is_strict)
			survey_remedy(row, LOCKDOWN_REMEDY);
	} else if (statfs(SECURITYFS, &fs) == 0 && fs.f_type == SECURITYFS_MAGIC) {
		survey_found(row, SURVEY_OK, "none");
	} else {
		try_lockdown(row);
	}
}

static void fill_probe(struct survey_row *row, const struct probe_report *probe)
{
	*row = (struct survey_row){
		.name = probe->name,
		.is_probe = true,
		.cost = probe->lost,
		.metrics = probe->metrics,
		.causes = probe->causes,
	};
	const enum survey_state state = probe->used[0] == '\0' ? SURVEY_MISSING : SURVEY_LIMITED;
	if (probe->lost == NULL)
		survey_found(row, SURVEY_OK, "%s", probe->used);
	else if (probe->used[0] != '\0')
		survey_found(row, state, "%s (%s)", probe->used, probe->error);
	else
		survey_found(row, state, "%s", probe->error);
	survey_remedy(row, probe->remedy);
}

/* Loads them, and fills a row about them all and one for each. Returns how many of the latter. */
static size_t check_probes(struct survey_row *row, struct survey_row *rows, size_t n_rows)
{
	const struct bpf_settings settings = { .wake_early = true };
	struct source_bpf *bpf = NULL;
	struct probe_report probe;
	char why[SURVEY_TEXT] = "unknown";
	char time[UNITS_BYTES];
	size_t n = 0, cursor = 0;
	const uint64_t start = now_ns();
	const int r = source_bpf_open(&settings, why, sizeof(why), &bpf);
	const uint64_t end = now_ns();
	if (r < 0) {
		survey_found(row, SURVEY_MISSING, "%s", why);
		return 0;
	}
	survey_found(row, SURVEY_OK, "loaded and attached in %s, ring of %zu MiB",
		     format_ns(time, (double)(end - start)), source_bpf_ring_bytes(bpf) >> 20);
	while (n < n_rows && source_bpf_probe(bpf, &cursor, &probe))
		fill_probe(&rows[n++], &probe);
	(void)source_bpf_free(bpf);
	return n;
}

static void check_shim(struct survey_row *row)
{
	const struct shim_settings settings = { .flags = SHIM_COUNTS_HEAP,
						.uid = rights_uid(),
						.gid = rights_gid() };
	struct source_shim *shim = NULL;
	char why[SURVEY_TEXT] = "unknown";
	if (source_shim_open(&settings, why, sizeof(why), &shim) < 0) {
		survey_found(row, SURVEY_MISSING, "%s", why);
		survey_remedy(row, "make && make install");
		return;
	}
	survey_found(row, SURVEY_OK, "libstartline.so can be preloaded");
	(void)source_shim_free(shim);
}

static void check_tmpfs(struct survey_row *row)
{
	static const char path[] = "/dev/shm";
	struct statvfs st;
	char size[UNITS_BYTES];
	if (statvfs(path, &st) < 0) {
		survey_found(row, SURVEY_LIMITED, "%s: %s; /tmp is used", path, strerror(errno));
		survey_remedy(row, "mount -t tmpfs tmpfs /dev/shm");
		return;
	}
	const uint64_t bytes = (uint64_t)st.f_bavail * st.f_frsize;
	const bool is_enough = bytes >= TMPFS_ENOUGH;
	survey_found(row, is_enough ? SURVEY_OK : SURVEY_LIMITED, "%s free in %s",
		     format_bytes(size, (double)bytes), path);
	if (!is_enough)
		survey_remedy(row, "make room in /dev/shm (docker: --shm-size=256m)");
}

static void check_pressure(struct survey_row *row)
{
	char line[SURVEY_TEXT];
	if (survey_first_line("/proc/pressure/cpu", line)) {
		survey_found(row, SURVEY_OK, "/proc/pressure");
		return;
	}
	survey_found(row, SURVEY_MISSING, "/proc/pressure: %s", strerror(errno));
	survey_remedy(row, "boot with psi=1");
}

static void check_clock(struct survey_row *row)
{
	char line[SURVEY_TEXT] = "unknown";
	enum { CALLS = 1000 };
	(void)survey_first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource",
				line);
	const uint64_t start = now_ns();
	for (int i = 1; i < CALLS; i++)
		(void)now_ns();
	const uint64_t each = (now_ns() - start) / CALLS;
	survey_found(row, each < CLOCK_SLOW_NS ? SURVEY_OK : SURVEY_LIMITED,
		     "%.60s, %llu ns a reading", line, (unsigned long long)each);
}

static void check_cpus(struct survey_row *row)
{
	cpu_set_t set;
	const int allowed = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;
	const long online = sysconf(_SC_NPROCESSORS_ONLN);
	survey_found(row, allowed >= 2 ? SURVEY_OK : SURVEY_LIMITED, "%d of %ld allowed", allowed,
		     online);
	if (allowed < 2)
		survey_remedy(row, "give startline a second CPU (taskset, docker: --cpus=2)");
}

static void check_cgroup(struct survey_row *row)
{
	const char *kind = cgroup_possible();
	if (kind != NULL) {
		survey_found(row, SURVEY_OK, "%s", kind);
		return;
	}
	survey_found(row, SURVEY_MISSING, "no memory cgroup can be made below our own");
	survey_remedy(row, geteuid() == 0
				   ? "systemd-run --scope -p Delegate=yes startline …"
				   : "systemd-run --user --scope -p Delegate=yes startline …");
}

static const struct check {
	const char *name;
	void (*find)(struct survey_row *row);
	const char *cost;
} checks[] = {
	{ "kernel", check_kernel, "kernel probes need 5.15 or later" },
	{ "BTF", check_btf, "no kernel probes: see there" },
	{ "rights", check_rights, "no kernel probes: see there" },
	{ "lockdown", check_lockdown, "with confidentiality, no kernel probes: see there" },
	{ "kernel probes", NULL, /* check_probes(), which has rows of its own */
	  "no breakdown of the time, no processes but those the shim or /proc shows" },
	{ "shim", check_shim, "no heap counts, no `linked` and `main`" },
	{ "tmpfs", check_tmpfs, "processes started when it is full are not counted" },
	{ "memory cgroup", check_cgroup, "no mem.peak_cgroup" },
	{ "pressure", check_pressure, "contention during a run goes unnoticed" },
	{ "clock", check_clock, "each time stamp of the shim costs a system call" },
	{ "CPUs", check_cpus, "startline competes with the program: times get longer" },
	{ "load", check_load, "other work makes times longer and noisier" },
	{ "contention", check_contention, "runs are marked tainted; ab and check repeat them" },
	{ "steal", check_steal, "the hypervisor takes CPUs away: times vary with the neighbours" },
	{ "governor", check_governor, "short programs run before the CPU has become fast" },
	{ "swap", check_swap, "memory of the program may have to come back from disk" },
	{ "disk", check_disk,
	  "recordings may be truncated, and first runs vary with what is read" },
	{ "other recordings", check_recordings, "they slow down what is measured here" },
};

_Static_assert(sizeof(checks) / sizeof(*checks) <= SURVEY_ROWS_MAX, "too many checks");

size_t survey_machine(struct survey_row ret[static SURVEY_ROWS_MAX])
{
	const size_t n = sizeof(checks) / sizeof(*checks);
	size_t n_probes = 0;
	for (size_t i = 0; i < n; i++) {
		ret[i] = (struct survey_row){ .name = checks[i].name };
		if (checks[i].find != NULL)
			checks[i].find(&ret[i]);
		else
			n_probes = check_probes(&ret[i], &ret[n], SURVEY_ROWS_MAX - n);
		if (ret[i].state != SURVEY_OK)
			ret[i].cost = checks[i].cost;
	}
	return n + n_probes;
}
