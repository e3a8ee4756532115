/* SPDX-License-Identifier: MIT */
/* What is known about the machine. Which of it must be equal for two recordings to be compared is
 * decided by who reads it (model/hosts.c). */

#include "userspace/collect/proc/facts.h"

#include <gnu/libc-version.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/units.h"
#include "userspace/collect/proc/cgroup.h"

/* /proc/cpuinfo of a machine with a thousand CPUs is about two megabytes; the first is enough. */
#define FILE_MAX (64u * 1024)

/* The rest of the line that begins with @key and then blanks, '=' or ':'. Quotes are taken off. */
static void value_of(const char *text, const char *key, char value[static FACT_MAX])
{
	const size_t n = strlen(key);
	value[0] = '\0';
	for (const char *line = text; *line != '\0';) {
		const char *end = strchrnul(line, '\n');
		if (strncmp(line, key, n) == 0 && strchr(" \t:=", line[n]) != NULL) {
			const char *from = line + n + strspn(line + n, " \t:=\"");
			size_t length = from < end ? (size_t)(end - from) : 0;
			while (length > 0 && strchr(" \t\"", from[length - 1]) != NULL)
				length--;
			(void)snprintf(value, FACT_MAX, "%.*s", (int)length, from);
			return;
		}
		line = *end == '\n' ? end + 1 : end;
	}
}

/* The value of @key in a file; its first line where @key is NULL; "" when there is none. */
static void read_value(const char *path, const char *key, char value[static FACT_MAX])
{
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, FILE_MAX);
	(void)fs_read_file(path, &text);
	const char *s = buf_str(&text);
	if (key != NULL)
		value_of(s, key, value);
	else
		(void)snprintf(value, FACT_MAX, "%.*s", (int)strcspn(s, "\n"), s);
}

static void fact_of_file(struct facts *f, const char *key, const char *path, const char *name)
{
	char value[FACT_MAX];
	read_value(path, name, value);
	fact(f, key, value);
}

/* --- the processor ---------------------------------------------------------------------------- */

/* Other architectures have neither name nor family: they number who made what. */
static void facts_of_model(struct facts *f)
{
	_cleanup_(buf_done) struct buf cpuinfo;
	char value[FACT_MAX], family[FACT_MAX], model[FACT_MAX], stepping[FACT_MAX];
	char text[3 * FACT_MAX];
	/* Once: the kernel writes it anew, for every CPU, each time that it is read. */
	buf_init(&cpuinfo, FILE_MAX);
	(void)fs_read_file("/proc/cpuinfo", &cpuinfo);
	const char *all = buf_str(&cpuinfo);
	value_of(all, "model name", value);
	value_of(all, "cpu family", family);
	value_of(all, "model", model);
	value_of(all, "stepping", stepping);
	if (value[0] == '\0') {
		value_of(all, "CPU implementer", family);
		value_of(all, "CPU part", model);
		value_of(all, "CPU revision", stepping);
		if (family[0] != '\0')
			(void)snprintf(value, sizeof(value), "%.60s/%.60s", family, model);
	}
	fact(f, "host.cpu", value);
	if (family[0] != '\0' && stepping[0] != '\0') {
		(void)snprintf(text, sizeof(text), "%.60s.%.60s.%.60s", family, model, stepping);
		fact(f, "host.stepping", text);
	}
	value_of(all, "microcode", value);
	fact(f, "host.microcode", value);
}

/* The part of @path's time that @quota of @period gives, in CPUs; infinite without a limit. */
static double quota_of(const char *text)
{
	long long quota = 0, period = 0;
	if (sscanf(text, "%lld %lld", &quota, &period) != 2 || quota <= 0 || period <= 0)
		return __builtin_inf();
	return (double)quota / (double)period;
}

/* The least of all limits from our own cgroup up to the mount. */
static void fact_of_quota(struct facts *f)
{
	static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/cpu",
					      "/sys/fs/cgroup/cpu,cpuacct" };
	double least = __builtin_inf();
	bool is_known = false;
	for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
		_cleanup_(buf_done) struct buf own;
		buf_init(&own, PATH_MAX);
		(void)cgroup_own(i == 0 ? "" : "cpu", &own);
		for (const char *end = buf_str(&own) + own.len; end != NULL;
		     end = strrchr(buf_str(&own), '/')) {
			char path[PATH_MAX], value[FACT_MAX], both[2 * FACT_MAX];
			buf_truncate(&own, (size_t)(end - buf_str(&own)));
			(void)snprintf(path, sizeof(path), "%s%s/%s", mounts[i], buf_str(&own),
				       i == 0 ? "cpu.max" : "cpu.cfs_quota_us");
			read_value(path, NULL, value);
			if (i > 0 && value[0] != '\0') {
				char period[FACT_MAX];
				(void)snprintf(path, sizeof(path), "%s%s/cpu.cfs_period_us",
					       mounts[i], buf_str(&own));
				read_value(path, NULL, period);
				(void)snprintf(both, sizeof(both), "%s %s", value, period);
			} else {
				(void)snprintf(both, sizeof(both), "%s", value);
			}
			is_known |= value[0] != '\0';
			const double quota = quota_of(both);
			least = quota < least ? quota : least;
		}
	}
	char text[FACT_MAX] = "none";
	if (__builtin_isfinite(least))
		(void)snprintf(text, sizeof(text), "%.4g", least);
	if (is_known)
		fact(f, "host.cpu_quota", text);
}

static void facts_of_cpu(struct facts *f)
{
	cpu_set_t set;
	char value[FACT_MAX];
	facts_of_model(f);
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		fact_number(f, "host.cpus", (uint64_t)CPU_COUNT(&set));
	fact_of_quota(f);
	fact_of_file(f, "host.governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
		     NULL);
	read_value("/sys/devices/system/cpu/intel_pstate/no_turbo", NULL, value);
	if (value[0] != '\0') {
		fact(f, "host.turbo", value[0] == '0' ? "on" : "off");
		return;
	}
	read_value("/sys/devices/system/cpu/cpufreq/boost", NULL, value);
	if (value[0] != '\0')
		fact(f, "host.turbo", value[0] == '1' ? "on" : "off");
}

/* --- what is around it ------------------------------------------------------------------------ */

static const char *hypervisor(void)
{
#if defined(__x86_64__) || defined(__i386__)
	static const struct {
		const char *signature, *name;
	} known[] = {
		{ "KVMKVMKVM", "kvm" },	      { "Microsoft Hv", "hyper-v" },
		{ "VMwareVMware", "vmware" }, { "XenVMMXenVMM", "xen" },
		{ "TCGTCGTCGTCG", "qemu" },   { "VBoxVBoxVBox", "virtualbox" },
	};
	enum { BASIC = 1, HYPERVISOR = 0x40000000 };
	const unsigned int is_guest = 1u << 31;
	unsigned int a = 0, b = 0, c = 0, d = 0;
	char signature[13] = "";
	if (__get_cpuid(BASIC, &a, &b, &c, &d) == 0)
		return "";
	if ((c & is_guest) == 0)
		return "none";
	__cpuid(HYPERVISOR, a, b, c, d);
	memcpy(signature, &b, 4);
	memcpy(signature + 4, &c, 4);
	memcpy(signature + 8, &d, 4);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(signature, known[i].signature) == 0)
			return known[i].name;
	}
	return "other";
#else
	return access("/sys/hypervisor/type", F_OK) == 0 ? "xen" : "";
#endif
}

static void facts_of_container(struct facts *f)
{
	char kind[FACT_MAX], image[FACT_MAX];
	read_value("/run/.containerenv", "image", image);
	read_value("/run/systemd/container", NULL, kind);
	if (getenv("KUBERNETES_SERVICE_HOST") != NULL)
		(void)snprintf(kind, sizeof(kind), "kubernetes");
	else if (access("/.dockerenv", F_OK) == 0)
		(void)snprintf(kind, sizeof(kind), "docker");
	else if (access("/run/.containerenv", F_OK) == 0)
		(void)snprintf(kind, sizeof(kind), "podman");
	fact(f, "host.container", kind[0] != '\0' ? kind : "none");

	/* The image's name is not to be seen from inside; CI services tell it. */
	const char *gitlab = getenv("CI_JOB_IMAGE");
	const char *os = getenv("ImageOS"), *version = getenv("ImageVersion");
	if (image[0] == '\0' && gitlab != NULL)
		(void)snprintf(image, sizeof(image), "%s", gitlab);
	else if (image[0] == '\0' && os != NULL && version != NULL)
		(void)snprintf(image, sizeof(image), "%s %s", os, version);
	fact(f, "host.image", image);
}

static void facts_of_system(struct facts *f)
{
	struct utsname names;
	char value[FACT_MAX];
	if (uname(&names) == 0) {
		fact(f, "host.name", names.nodename);
		fact(f, "host.kernel", names.release);
	}
	fact_of_file(f, "host.os", "/etc/os-release", "PRETTY_NAME");
	(void)snprintf(value, sizeof(value), "glibc %s", gnu_get_libc_version());
	fact(f, "host.libc", value);
	build_id_of("libc.so", value);
	fact(f, "host.libc_build_id", value);
	build_id_of("ld", value);
	fact(f, "host.loader_build_id", value);
	const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	if (pages > 0 && page > 0)
		fact_number(f, "host.memory_bytes", (uint64_t)pages * (uint64_t)page);
}

void facts_of_host(struct facts *f)
{
	facts_of_cpu(f);
	facts_of_system(f);
	fact(f, "host.virtual", hypervisor());
	facts_of_container(f);
}
