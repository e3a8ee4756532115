/* SPDX-License-Identifier: MIT */
/* What would make a measurement worthless if it began now. */

#include "userspace/collect/proc/survey_internal.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/units.h"
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

#define FILE_MAX ((size_t)64 << 10)
/* Runs are repeated and compared from 10 % of pressure on: what is above that before a run begins
 * will be above it during the run. */
#define PRESSURE_MAX 10.0 /* percent of the last ten seconds */
#define LOAD_MAX     0.5  /* of the allowed CPUs */
#define STEAL_MAX    0.01 /* of the time */
#define WATCH_NS     (200 * NS_PER_MS)
#define MEMORY_MIN   0.1 /* of all, available */
#define DISK_MIN     ((uint64_t)1 << 30)

static int allowed_cpus(void)
{
	cpu_set_t set;
	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

void check_load(struct survey_row *row)
{
	char line[SURVEY_TEXT];
	double load = 0;
	if (!survey_first_line("/proc/loadavg", line) || sscanf(line, "%lf", &load) != 1) {
		survey_found(row, SURVEY_LIMITED, "unknown: /proc/loadavg cannot be read");
		return;
	}
	const int cpus = allowed_cpus();
	const bool is_idle = load <= LOAD_MAX * cpus;
	survey_found(row, is_idle ? SURVEY_OK : SURVEY_LIMITED,
		     "%.2f over the last minute, for %d CPU%s", load, cpus, cpus == 1 ? "" : "s");
	if (!is_idle)
		survey_remedy(row, "wait until other work has ended (top)");
}

/* Percent of the last ten seconds in which some task waited; -1: not known. */
static double pressure(const char *resource)
{
	char path[64], line[SURVEY_TEXT];
	double avg10 = -1;
	(void)snprintf(path, sizeof(path), "/proc/pressure/%s", resource);
	if (!survey_first_line(path, line) || sscanf(line, "some avg10=%lf", &avg10) != 1)
		return -1;
	return avg10;
}

void check_contention(struct survey_row *row)
{
	static const char *const resources[] = { "cpu", "io", "memory" };
	double each[3];
	bool is_quiet = true;
	for (size_t i = 0; i < 3; i++) {
		each[i] = pressure(resources[i]);
		is_quiet &= each[i] <= PRESSURE_MAX;
	}
	if (each[0] < 0 || each[1] < 0 || each[2] < 0) {
		survey_found(row, SURVEY_LIMITED, "unknown: no pressure information");
		return;
	}
	survey_found(row, is_quiet ? SURVEY_OK : SURVEY_LIMITED,
		     "tasks waited %.1f %% for CPU, %.1f %% for I/O, %.1f %% for memory", each[0],
		     each[1], each[2]);
	if (!is_quiet)
		survey_remedy(row, "wait until other work has ended (top, iotop)");
}

/* Clock ticks of all CPUs so far. */
struct ticks {
	unsigned long long all, stolen;
};

static bool ticks_now(struct ticks *ret)
{
	char line[SURVEY_TEXT];
	unsigned long long t[8] = { 0 };
	if (!survey_first_line("/proc/stat", line) ||
	    sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
		   &t[4], &t[5], &t[6], &t[7]) != 8)
		return false;
	*ret = (struct ticks){ .stolen = t[7] };
	for (size_t i = 0; i < 8; i++)
		ret->all += t[i];
	return true;
}

void check_steal(struct survey_row *row)
{
	const struct timespec watch = { .tv_nsec = (long)WATCH_NS };
	struct ticks before, after;
	const bool is_known = ticks_now(&before);
	if (is_known)
		(void)nanosleep(&watch, NULL);
	if (!is_known || !ticks_now(&after) || after.all <= before.all) {
		survey_found(row, SURVEY_LIMITED, "unknown: /proc/stat cannot be read");
		return;
	}
	const double now =
		(double)(after.stolen - before.stolen) / (double)(after.all - before.all);
	const double ever = after.all > 0 ? (double)after.stolen / (double)after.all : 0;
	const bool is_ours = now <= STEAL_MAX && ever <= STEAL_MAX;
	survey_found(row, is_ours ? SURVEY_OK : SURVEY_LIMITED, "%.1f %% now, %.1f %% since boot",
		     now * 100, ever * 100);
	if (!is_ours)
		survey_remedy(row, "use a machine, or a runner, that others do not share");
}

void check_governor(struct survey_row *row)
{
	char line[SURVEY_TEXT];
	if (!survey_first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", line)) {
		survey_found(row, SURVEY_OK, "unknown: not visible here");
		return;
	}
	const bool is_steady = strcmp(line, "performance") == 0;
	survey_found(row, is_steady ? SURVEY_OK : SURVEY_LIMITED, "%.60s", line);
	if (!is_steady)
		survey_remedy(row, "cpupower frequency-set -g performance");
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

void check_swap(struct survey_row *row)
{
	char available_text[UNITS_BYTES], used_text[UNITS_BYTES];
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, FILE_MAX);
	(void)fs_read_file("/proc/meminfo", &text);
	const char *s = buf_str(&text);
	const double total = memory_row(s, "MemTotal"), available = memory_row(s, "MemAvailable");
	const double swap = memory_row(s, "SwapTotal"), unused = memory_row(s, "SwapFree");
	if (total <= 0 || available < 0) {
		survey_found(row, SURVEY_LIMITED, "unknown: /proc/meminfo cannot be read");
		return;
	}
	const double used = swap > 0 && unused >= 0 ? swap - unused : 0;
	const bool is_short = available < MEMORY_MIN * total;
	const bool is_swapping = used > available;
	survey_found(row, is_short || is_swapping ? SURVEY_LIMITED : SURVEY_OK,
		     "%s of memory available, %s%s", format_bytes(available_text, available),
		     swap > 0 ? format_bytes(used_text, used) : "no swap",
		     swap > 0 ? " swapped out" : "");
	if (is_short || is_swapping)
		survey_remedy(row, "free memory: end other programs (top, sorted by %MEM)");
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
		if (!survey_first_line(name, line))
			continue;
		*ret_slow = line[0] == '1';
		return *ret_slow ? "rotating" : "solid state";
	}
	/* Memory, layers, volumes: no disk of their own. */
	return "no disk of its own";
}

void check_disk(struct survey_row *row)
{
	struct statvfs st;
	char size[UNITS_BYTES];
	bool is_slow = false;
	if (statvfs(".", &st) < 0) {
		survey_found(row, SURVEY_LIMITED, "this directory: %s", strerror(errno));
		return;
	}
	const uint64_t bytes = (uint64_t)st.f_bavail * st.f_frsize;
	const char *speed = speed_class(".", &is_slow);
	const bool is_full = bytes < DISK_MIN;
	survey_found(row, is_full || is_slow ? SURVEY_LIMITED : SURVEY_OK,
		     "%s free in this directory, %s", format_bytes(size, (double)bytes), speed);
	if (is_full)
		survey_remedy(row, "make room: a recording takes up to some hundred MB");
	else if (is_slow)
		survey_remedy(row, "run the program from a local disk, with --warmup 1");
}

void check_recordings(struct survey_row *row)
{
	const unsigned int n = session_dirs_in_use();
	if (n == 0) {
		survey_found(row, SURVEY_OK, "%s",
			     geteuid() == 0 ? "none" : "unknown: only root sees those of others");
		return;
	}
	survey_found(row, SURVEY_LIMITED, "%u running", n);
	survey_remedy(row, "wait until they have ended (pgrep -a startline)");
}
