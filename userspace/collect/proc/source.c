/* SPDX-License-Identifier: MIT */
/* What /proc and /sys say at one moment: contention on the machine, and resource counters of
 * processes where no kernel probe reports them. */

#include "userspace/collect/run/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/base/rights.h"
#include "userspace/base/units.h"
#include "userspace/collect/proc/cgroup.h"
#include "userspace/collect/run/emit.h"

/* These files are a few hundred bytes; what matters in /proc/stat is its first line. */
#define FILE_MAX 4096

/* The head of @path as a string; false when it cannot be read. */
static bool read_head(const char *path, char text[static FILE_MAX])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	const ssize_t n = read(fd, text, FILE_MAX - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return true;
}

/* "some avg10=… total=N" of /proc/pressure/WHAT, in microseconds there. */
static uint64_t pressure(const char *path)
{
	char text[FILE_MAX];
	if (!read_head(path, text))
		return SL_UNKNOWN;
	const char *total = strstr(text, "total=");
	unsigned long long us = 0;
	return total != NULL && sscanf(total, "total=%llu", &us) == 1 ? us * NS_PER_US : SL_UNKNOWN;
}

/* The eighth number of the first line of /proc/stat, in ticks: stolen by other virtual machines. */
static uint64_t steal(void)
{
	char text[FILE_MAX];
	unsigned long long ticks = 0;
	const long hertz = sysconf(_SC_CLK_TCK);
	if (hertz <= 0 || !read_head("/proc/stat", text) ||
	    sscanf(text, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &ticks) != 1)
		return SL_UNKNOWN;
	return ticks * (NS_PER_S / (uint64_t)hertz);
}

/* The number after @key in @text at the start of a line; SL_UNKNOWN: there is none. */
static uint64_t number_after(const char *text, const char *key)
{
	unsigned long long value = 0;
	const size_t n = strlen(key);
	for (const char *line = text; line != NULL && *line != '\0';) {
		if (strncmp(line, key, n) == 0 && sscanf(line + n, " %llu", &value) == 1)
			return value;
		line = strchr(line, '\n');
		if (line != NULL)
			line++;
	}
	return SL_UNKNOWN;
}

/* cpu.stat of our own cgroup. */
static bool read_cpu_stat(const char *mount, const char *controller, char text[static FILE_MAX])
{
	_cleanup_(buf_done) struct buf path;
	buf_init(&path, PATH_MAX);
	(void)buf_adds(&path, mount);
	return cgroup_own(controller, &path) == 0 && buf_adds(&path, "/cpu.stat") == 0 &&
	       read_head(buf_str(&path), text);
}

static uint64_t throttled(void)
{
	char text[FILE_MAX];
	if (read_cpu_stat("/sys/fs/cgroup", "", text)) {
		const uint64_t us = number_after(text, "throttled_usec");
		if (us != SL_UNKNOWN)
			return us * NS_PER_US;
	}
	return read_cpu_stat("/sys/fs/cgroup/cpu", "cpu", text)
		       ? number_after(text, "throttled_time")
		       : SL_UNKNOWN;
}

int source_proc_host(enum sl_when when, struct sink sink)
{
	const struct sl_host host = {
		.event = emit_header(SL_KIND_HOST, sizeof(host), now_ns(), 0),
		.when = when,
		.cpu_pressure_ns = pressure("/proc/pressure/cpu"),
		.io_pressure_ns = pressure("/proc/pressure/io"),
		.memory_pressure_ns = pressure("/proc/pressure/memory"),
		.steal_ns = steal(),
		.throttled_ns = throttled(),
	};
	return sink.event(sink.data, &host.event);
}

/* ---- processes ---- */

static bool read_of(pid_t pid, const char *name, char text[static FILE_MAX])
{
	char path[64];
	/* A set-uid program's files are not the caller's. */
	_cleanup_(rights_give_back) struct rights before;
	(void)rights_take(0, 0, &before);
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return read_head(path, text);
}

static void add_io(pid_t pid, struct sl_usage *usage)
{
	char text[FILE_MAX];
	if (!read_of(pid, "io", text)) {
		usage->flags |= SL_USAGE_NO_IO;
		return;
	}
	usage->read_chars = number_after(text, "rchar:");
	usage->write_chars = number_after(text, "wchar:");
	usage->read_bytes = number_after(text, "read_bytes:");
	usage->write_bytes = number_after(text, "write_bytes:");
}

bool source_proc_rss(pid_t pid, struct resident *ret)
{
	static const char *const keys[SL_MEMORY_KINDS] = { "RssAnon:", "RssFile:", "RssShmem:" };
	char text[FILE_MAX];
	if (!read_of(pid, "status", text))
		return false;
	const uint64_t rss = number_after(text, "VmRSS:");
	const uint64_t peak = number_after(text, "VmHWM:");
	if (rss == SL_UNKNOWN || peak == SL_UNKNOWN)
		return false;
	*ret = (struct resident){ .now = rss * 1024, .peak = peak * 1024 };
	for (int i = 0; i < SL_MEMORY_KINDS; i++) {
		const uint64_t kind = number_after(text, keys[i]);
		ret->kinds[i] = kind != SL_UNKNOWN ? kind * 1024 : 0;
	}
	return true;
}

static void add_status(pid_t pid, struct sl_usage *usage)
{
	char text[FILE_MAX];
	usage->flags |= SL_USAGE_NO_RSS;
	if (!read_of(pid, "status", text))
		return;
	const uint64_t voluntary = number_after(text, "voluntary_ctxt_switches:");
	const uint64_t involuntary = number_after(text, "nonvoluntary_ctxt_switches:");
	if (voluntary != SL_UNKNOWN && involuntary != SL_UNKNOWN) {
		usage->voluntary_switches = voluntary;
		usage->involuntary_switches = involuntary;
	}
	struct resident rss;
	if (!source_proc_rss(pid, &rss))
		return;
	usage->rss_bytes = rss.now;
	usage->rss_peak_bytes = rss.peak;
	memcpy(usage->rss_kinds, rss.kinds, sizeof(usage->rss_kinds));
	usage->flags &= ~(uint64_t)SL_USAGE_NO_RSS;
}

static bool add_stat(pid_t pid, struct sl_usage *usage)
{
	char text[FILE_MAX];
	const long hertz = sysconf(_SC_CLK_TCK);
	if (hertz <= 0 || !read_of(pid, "stat", text))
		return false;
	/* The command's name may contain anything, closing parentheses included. */
	const char *after = strrchr(text, ')');
	unsigned long long minor = 0;
	unsigned long long major = 0;
	unsigned long long user = 0;
	unsigned long long system = 0;
	if (after == NULL ||
	    sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %llu %*u %llu %*u %llu %llu", &minor,
		   &major, &user, &system) != 4)
		return false;
	const uint64_t tick_ns = NS_PER_S / (uint64_t)hertz;
	usage->minor_faults = minor;
	usage->major_faults = major;
	usage->user_ns = user * tick_ns;
	usage->system_ns = system * tick_ns;
	usage->run_ns = usage->user_ns + usage->system_ns;
	return true;
}

uint64_t source_proc_start(pid_t pid)
{
	char text[FILE_MAX];
	unsigned long long ticks = 0;
	const long hertz = sysconf(_SC_CLK_TCK);
	if (hertz <= 0 || !read_of(pid, "stat", text))
		return 0;
	const char *after = strrchr(text, ')');
	if (after == NULL ||
	    sscanf(after + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &ticks) != 1)
		return 0;
	/* Suspended time counts there and not here. The clock that is behind is read first. */
	const uint64_t monotonic_ns = now_ns();
	const uint64_t ahead = clock_ns(CLOCK_BOOTTIME) - monotonic_ns;
	const uint64_t since_boot = ticks * (NS_PER_S / (uint64_t)hertz);
	return since_boot > ahead ? since_boot - ahead : 0;
}

int source_proc_running(pid_t pid)
{
	char path[64];
	int n = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	_cleanup_closedir_ DIR *threads = opendir(path);
	for (const struct dirent *d = threads != NULL ? readdir(threads) : NULL; d != NULL;
	     d = readdir(threads)) {
		char name[32], text[FILE_MAX];
		const char *after;
		(void)snprintf(name, sizeof(name), "task/%.10s/stat", d->d_name);
		after = read_of(pid, name, text) ? strrchr(text, ')') : NULL;
		n += after != NULL && strncmp(after, ") R", 3) == 0;
	}
	return n;
}

uint64_t source_proc_cpu(pid_t pid)
{
	char text[FILE_MAX];
	unsigned long long ns = 0;
	if (read_of(pid, "schedstat", text) && sscanf(text, "%llu", &ns) == 1)
		return ns;
	struct sl_usage usage = { .flags = 0 };
	return add_stat(pid, &usage) ? usage.run_ns : 0;
}

int source_proc_usage(pid_t pid, enum sl_when when, const struct rusage *total,
		      const struct resident *seen, struct sink sink)
{
	struct sl_usage usage = {
		.event = emit_header(SL_KIND_USAGE, sizeof(usage), now_ns(), pid),
		.when = when,
		.flags = SL_USAGE_NO_NET,
	};
	if (!add_stat(pid, &usage))
		return 0;
	add_status(pid, &usage);
	add_io(pid, &usage);
	if (total != NULL) {
		usage.user_ns = (uint64_t)total->ru_utime.tv_sec * NS_PER_S +
				(uint64_t)total->ru_utime.tv_usec * NS_PER_US;
		usage.system_ns = (uint64_t)total->ru_stime.tv_sec * NS_PER_S +
				  (uint64_t)total->ru_stime.tv_usec * NS_PER_US;
		usage.run_ns = usage.user_ns + usage.system_ns;
		usage.minor_faults = (uint64_t)total->ru_minflt;
		usage.major_faults = (uint64_t)total->ru_majflt;
		usage.voluntary_switches = (uint64_t)total->ru_nvcsw;
		usage.involuntary_switches = (uint64_t)total->ru_nivcsw;
	}
	if (seen != NULL) {
		usage.rss_peak_bytes = seen->peak;
		memcpy(usage.rss_peak_kinds, seen->kinds, sizeof(usage.rss_peak_kinds));
		usage.flags &= ~(uint64_t)SL_USAGE_NO_RSS;
	}
	return sink.event(sink.data, &usage.event);
}
