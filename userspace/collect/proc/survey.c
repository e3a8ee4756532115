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
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "bpf/schema.h"
#include "preload/settings.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/rights.h"
#include "userspace/base/units.h"
#include "userspace/collect/proc/cgroup.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/source.h"
#include "userspace/collect/shim/session_dir.h"

/* Headers of kernels before 5.17 lack these. */
#ifndef SMB2_SUPER_MAGIC
#define SMB2_SUPER_MAGIC 0xFE534D42
#endif
#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xFF534D42
#endif
#ifndef CEPH_SUPER_MAGIC
#define CEPH_SUPER_MAGIC 0x00c36400
#endif
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

#define FILE_MAX	((size_t)64 << 10)
#define SECURITYFS	"/sys/kernel/security"
#define LOCKDOWN_REMEDY "boot with lockdown=integrity or none"
/* A lane is a few pages per process, plus 8 bytes per size class and thread. */
#define TMPFS_ENOUGH (64ull * 1024 * 1024)
/* With a vDSO it takes 20 to 50 ns; as a system call, ten times as long. */
#define CLOCK_SLOW_NS 200
/* Runs are repeated and compared from 10 % of pressure on: what is above that before a run begins
 * will be above it during the run. */
#define PRESSURE_MAX 10.0 /* percent of the last ten seconds */
#define LOAD_MAX     0.5  /* of the allowed CPUs */
#define STEAL_MAX    0.01 /* of the time */
#define WATCH_NS     (200 * NS_PER_MS)
#define MEMORY_MIN   0.1 /* of all, available */
#define DISK_MIN     ((uint64_t)1 << 30)

__attribute__((format(printf, 3, 4))) static void
found(struct survey_row *row, enum survey_state state, const char *format, ...)
{
	va_list args;
	row->state = state;
	va_start(args, format);
	(void)vsnprintf(row->found, sizeof(row->found), format, args);
	va_end(args);
}

static void remedy(struct survey_row *row, const char *text)
{
	(void)snprintf(row->remedy, sizeof(row->remedy), "%s", text);
}

static bool first_line(const char *path, char line[static SURVEY_TEXT])
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
		found(row, SURVEY_MISSING, "unknown");
		return;
	}
	const bool is_new = major > 5 || (major == 5 && minor >= 15);
	found(row, is_new ? SURVEY_OK : SURVEY_LIMITED, "Linux %s, %s", names.release,
	      names.machine);
	if (!is_new)
		remedy(row, "use a kernel of 5.15 or later");
}

static void check_btf(struct survey_row *row)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";
	if (access(path, R_OK) == 0) {
		found(row, SURVEY_OK, "%s", path);
		return;
	}
	found(row, SURVEY_MISSING, "%s: %s", path, strerror(errno));
	remedy(row, "use a kernel built with CONFIG_DEBUG_INFO_BTF=y");
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
	found(row, has_both ? SURVEY_OK : SURVEY_MISSING, "%s", line);
	if (!has_both)
		remedy(row, geteuid() == 0 ? "give this container CAP_BPF and CAP_PERFMON"
					   : "sudo startline …: the program still runs as you");
}

/* Where securityfs is not mounted, what a trial tells: all that matters here. */
static void try_lockdown(struct survey_row *row)
{
	static const char unseen[] = "securityfs is not mounted";
	const int reads = source_bpf_reads_kernel();
	if (reads > 0) {
		found(row, SURVEY_OK, "unknown: %s; not confidentiality, by trying", unseen);
	} else if (reads == 0) {
		found(row, SURVEY_MISSING, "confidentiality, by trying; %s", unseen);
		remedy(row, LOCKDOWN_REMEDY);
	} else {
		found(row, SURVEY_LIMITED, "unknown: %s", unseen);
		remedy(row, "mount -t securityfs securityfs " SECURITYFS);
	}
}

static void check_lockdown(struct survey_row *row)
{
	char line[SURVEY_TEXT];
	struct statfs fs;
	if (first_line(SECURITYFS "/lockdown", line)) {
		const bool is_strict = strstr(line, "[confidentiality]") != NULL;
		found(row, is_strict ? SURVEY_MISSING : SURVEY_OK, "%s", line);
		if (is_strict)
			remedy(row, LOCKDOWN_REMEDY);
	} else if (statfs(SECURITYFS, &fs) == 0 && fs.f_type == SECURITYFS_MAGIC) {
		found(row, SURVEY_OK, "none");
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
		found(row, SURVEY_OK, "%s", probe->used);
	else if (probe->used[0] != '\0')
		found(row, state, "%s (%s)", probe->used, probe->error);
	else
		found(row, state, "%s", probe->error);
	remedy(row, probe->remedy);
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
		found(row, SURVEY_MISSING, "%s", why);
		return 0;
	}
	found(row, SURVEY_OK, "loaded and attached in %s, ring of %zu MiB",
	      format_ns(time, (double)(end - start)), source_bpf_ring_bytes(bpf) >> 20);
	while (n < n_rows && source_bpf_probe(bpf, &cursor, &probe))
		fill_probe(&rows[n++], &probe);
	(void)source_bpf_free(bpf);
	return n;
}

static void check_stacks(struct survey_row *row)
{
	const char *help = "";
	char time[UNITS_BYTES];
	uint64_t cost_ns = 0;
	const char *why = source_perf_try(&help, &cost_ns);
	if (why == NULL) {
		found(row, SURVEY_OK, "a sample takes %s", format_ns(time, (double)cost_ns));
		return;
	}
	found(row, SURVEY_MISSING, "%s", why);
	remedy(row, help);
}

static void check_shim(struct survey_row *row)
{
	const struct shim_settings settings = { .flags = SHIM_COUNTS_HEAP,
						.uid = rights_uid(),
						.gid = rights_gid() };
	struct source_shim *shim = NULL;
	char why[SURVEY_TEXT] = "unknown";
	if (source_shim_open(&settings, why, sizeof(why), &shim) < 0) {
		found(row, SURVEY_MISSING, "%s", why);
		remedy(row, "make && make install");
		return;
	}
	found(row, SURVEY_OK, "libstartline.so can be preloaded");
	(void)source_shim_free(shim);
}

static void check_tmpfs(struct survey_row *row)
{
	static const char path[] = "/dev/shm";
	struct statvfs st;
	char size[UNITS_BYTES];
	if (statvfs(path, &st) < 0) {
		found(row, SURVEY_LIMITED, "%s: %s; /tmp is used", path, strerror(errno));
		remedy(row, "mount -t tmpfs tmpfs /dev/shm");
		return;
	}
	const uint64_t bytes = (uint64_t)st.f_bavail * st.f_frsize;
	const bool is_enough = bytes >= TMPFS_ENOUGH;
	found(row, is_enough ? SURVEY_OK : SURVEY_LIMITED, "%s free in %s",
	      format_bytes(size, (double)bytes), path);
	if (!is_enough)
		remedy(row, "make room in /dev/shm (docker: --shm-size=256m)");
}

static void check_pressure(struct survey_row *row)
{
	char line[SURVEY_TEXT];
	if (first_line("/proc/pressure/cpu", line)) {
		found(row, SURVEY_OK, "/proc/pressure");
		return;
	}
	found(row, SURVEY_MISSING, "/proc/pressure: %s", strerror(errno));
	remedy(row, "boot with psi=1");
}

static void check_clock(struct survey_row *row)
{
	char line[SURVEY_TEXT] = "unknown";
	enum { CALLS = 1000 };
	(void)first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", line);
	const uint64_t start = now_ns();
	for (int i = 1; i < CALLS; i++)
		(void)now_ns();
	const uint64_t each = (now_ns() - start) / CALLS;
	found(row, each < CLOCK_SLOW_NS ? SURVEY_OK : SURVEY_LIMITED, "%.60s, %llu ns a reading",
	      line, (unsigned long long)each);
}

static int allowed_cpus(void)
{
	cpu_set_t set;
	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

static void check_cpus(struct survey_row *row)
{
	const int allowed = allowed_cpus();
	const long online = sysconf(_SC_NPROCESSORS_ONLN);
	found(row, allowed >= 2 ? SURVEY_OK : SURVEY_LIMITED, "%d of %ld allowed", allowed, online);
	if (allowed < 2)
		remedy(row, "give startline a second CPU (taskset, docker: --cpus=2)");
}

static void check_cgroup(struct survey_row *row)
{
	const char *kind = cgroup_possible();
	if (kind != NULL) {
		found(row, SURVEY_OK, "%s", kind);
		return;
	}
	found(row, SURVEY_MISSING, "no memory cgroup can be made below our own");
	remedy(row, geteuid() == 0 ? "systemd-run --scope -p Delegate=yes startline …"
				   : "systemd-run --user --scope -p Delegate=yes startline …");
}

static void check_load(struct survey_row *row)
{
	char line[SURVEY_TEXT];
	double load = 0;
	if (!first_line("/proc/loadavg", line) || sscanf(line, "%lf", &load) != 1) {
		found(row, SURVEY_LIMITED, "unknown: /proc/loadavg cannot be read");
		return;
	}
	const int cpus = allowed_cpus();
	const bool is_idle = load <= LOAD_MAX * cpus;
	found(row, is_idle ? SURVEY_OK : SURVEY_LIMITED, "%.2f over the last minute, for %d CPU%s",
	      load, cpus, cpus == 1 ? "" : "s");
	if (!is_idle)
		remedy(row, "wait until other work has ended (top)");
}

/* Percent of the last ten seconds in which some task waited; -1: not known. */
static double pressure(const char *resource)
{
	char path[64], line[SURVEY_TEXT];
	double avg10 = -1;
	(void)snprintf(path, sizeof(path), "/proc/pressure/%s", resource);
	if (!first_line(path, line) || sscanf(line, "some avg10=%lf", &avg10) != 1)
		return -1;
	return avg10;
}

static void check_contention(struct survey_row *row)
{
	static const char *const resources[] = { "cpu", "io", "memory" };
	double each[3];
	bool is_quiet = true;
	for (size_t i = 0; i < 3; i++) {
		each[i] = pressure(resources[i]);
		is_quiet &= each[i] <= PRESSURE_MAX;
	}
	if (each[0] < 0 || each[1] < 0 || each[2] < 0) {
		found(row, SURVEY_LIMITED, "unknown: no pressure information");
		return;
	}
	found(row, is_quiet ? SURVEY_OK : SURVEY_LIMITED,
	      "tasks waited %.1f %% for CPU, %.1f %% for I/O, %.1f %% for memory", each[0], each[1],
	      each[2]);
	if (!is_quiet)
		remedy(row, "wait until other work has ended (top, iotop)");
}

/* Clock ticks of all CPUs so far. */
struct ticks {
	unsigned long long all, stolen;
};

static bool ticks_now(struct ticks *ret)
{
	char line[SURVEY_TEXT];
	unsigned long long t[8] = { 0 };
	if (!first_line("/proc/stat", line) ||
	    sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
		   &t[4], &t[5], &t[6], &t[7]) != 8)
		return false;
	*ret = (struct ticks){ .stolen = t[7] };
	for (size_t i = 0; i < 8; i++)
		ret->all += t[i];
	return true;
}

static void check_steal(struct survey_row *row)
{
	const struct timespec watch = { .tv_nsec = (long)WATCH_NS };
	struct ticks before, after;
	const bool is_known = ticks_now(&before);
	if (is_known)
		(void)nanosleep(&watch, NULL);
	if (!is_known || !ticks_now(&after) || after.all <= before.all) {
		found(row, SURVEY_LIMITED, "unknown: /proc/stat cannot be read");
		return;
	}
	const double now =
		(double)(after.stolen - before.stolen) / (double)(after.all - before.all);
	const double ever = after.all > 0 ? (double)after.stolen / (double)after.all : 0;
	const bool is_ours = now <= STEAL_MAX && ever <= STEAL_MAX;
	found(row, is_ours ? SURVEY_OK : SURVEY_LIMITED, "%.1f %% now, %.1f %% since boot",
	      now * 100, ever * 100);
	if (!is_ours)
		remedy(row, "use a machine, or a runner, that others do not share");
}

static void check_governor(struct survey_row *row)
{
	char line[SURVEY_TEXT];
	if (!first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", line)) {
		found(row, SURVEY_OK, "unknown: not visible here");
		return;
	}
	const bool is_steady = strcmp(line, "performance") == 0;
	found(row, is_steady ? SURVEY_OK : SURVEY_LIMITED, "%.60s", line);
	if (!is_steady)
		remedy(row, "cpupower frequency-set -g performance");
}

/* A row of /proc/meminfo, in bytes. */
static double memory_row(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	unsigned long long kib = 0;
	if (at == NULL || sscanf(at + strlen(key), ": %llu", &kib) != 1)
		return -1;
	return (double)kib * 1024;
}

static void check_swap(struct survey_row *row)
{
	char available_text[UNITS_BYTES], used_text[UNITS_BYTES];
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, FILE_MAX);
	(void)fs_read_file("/proc/meminfo", &text);
	const char *s = buf_str(&text);
	const double total = memory_row(s, "MemTotal"), available = memory_row(s, "MemAvailable");
	const double swap = memory_row(s, "SwapTotal"), unused = memory_row(s, "SwapFree");
	if (total <= 0 || available < 0) {
		found(row, SURVEY_LIMITED, "unknown: /proc/meminfo cannot be read");
		return;
	}
	const double used = swap > 0 && unused >= 0 ? swap - unused : 0;
	const bool is_short = available < MEMORY_MIN * total;
	const bool is_swapping = used > available;
	found(row, is_short || is_swapping ? SURVEY_LIMITED : SURVEY_OK,
	      "%s of memory available, %s%s", format_bytes(available_text, available),
	      swap > 0 ? format_bytes(used_text, used) : "no swap", swap > 0 ? " swapped out" : "");
	if (is_short || is_swapping)
		remedy(row, "free memory: end other programs (top, sorted by %MEM)");
}

/* --- disk ------------------------------------------------------------------------------------- */

/* "network" or "FUSE" where reading is no matter of a disk, else NULL. */
static const char *remote_kind(const char *path)
{
	static const struct {
		long magic;
		const char *kind;
	} kinds[] = {
		{ NFS_SUPER_MAGIC, "network" },
		{ (long)SMB2_SUPER_MAGIC, "network" },
		{ (long)CIFS_SUPER_MAGIC, "network" },
		{ CEPH_SUPER_MAGIC, "network" },
		{ V9FS_MAGIC, "shared" },
		{ FUSE_SUPER_MAGIC, "FUSE" },
	};
	struct statfs st;
	if (statfs(path, &st) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if ((unsigned long)st.f_type == (unsigned long)kinds[i].magic)
			return kinds[i].kind;
	}
	return NULL;
}

/* Virtual disks call themselves rotating, whatever is behind them. */
static bool is_virtual_disk(dev_t device)
{
	char link[64], path[PATH_MAX];
	(void)snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(device), minor(device));
	const ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return strstr(path, "/virtio") != NULL || strstr(path, "/vbd-") != NULL;
}

/* What reading costs there, by what it is made of; *ret_slow: it varies by milliseconds. */
static const char *speed_class(const char *path, bool *ret_slow)
{
	struct stat st;
	char name[PATH_MAX], line[SURVEY_TEXT];
	const char *remote = remote_kind(path);
	*ret_slow = remote != NULL;
	if (remote != NULL)
		return remote;
	if (stat(path, &st) < 0)
		return "unknown";
	if (is_virtual_disk(st.st_dev))
		return "virtual disk";
	/* A partition's queue is its disk's. */
	static const char *const queues[] = { "queue", "../queue" };
	for (size_t i = 0; i < sizeof(queues) / sizeof(*queues); i++) {
		(void)snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/%s/rotational",
			       major(st.st_dev), minor(st.st_dev), queues[i]);
		if (!first_line(name, line))
			continue;
		*ret_slow = line[0] == '1';
		return *ret_slow ? "rotating" : "solid state";
	}
	/* Memory, layers, volumes: no disk of their own. */
	return "no disk of its own";
}

static void check_disk(struct survey_row *row)
{
	struct statvfs st;
	char size[UNITS_BYTES];
	bool is_slow = false;
	if (statvfs(".", &st) < 0) {
		found(row, SURVEY_LIMITED, "this directory: %s", strerror(errno));
		return;
	}
	const uint64_t bytes = (uint64_t)st.f_bavail * st.f_frsize;
	const char *speed = speed_class(".", &is_slow);
	const bool is_full = bytes < DISK_MIN;
	found(row, is_full || is_slow ? SURVEY_LIMITED : SURVEY_OK, "%s free in this directory, %s",
	      format_bytes(size, (double)bytes), speed);
	if (is_full)
		remedy(row, "make room: a recording takes up to some hundred MB");
	else if (is_slow)
		remedy(row, "run the program from a local disk, with --warmup 1");
}

static void check_recordings(struct survey_row *row)
{
	const unsigned int n = session_dirs_in_use();
	if (n == 0) {
		found(row, SURVEY_OK, "%s",
		      geteuid() == 0 ? "none" : "unknown: only root sees those of others");
		return;
	}
	found(row, SURVEY_LIMITED, "%u running", n);
	remedy(row, "wait until they have ended (pgrep -a startline)");
}

/* --- all of them ------------------------------------------------------------------------------ */

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
	{ "stacks", check_stacks,
	  "no samples of what is on the CPU: its time has no functions between system calls" },
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
