/* SPDX-License-Identifier: MIT */
/* Facts about the recording and the machine: one META event each. Which of them must be equal for two
 * recordings to be compared is decided by who reads them (model/hosts.c). */

#include <elf.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <link.h>
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
#include "userspace/base/clock.h"
#include "userspace/base/fs.h"
#include "userspace/base/units.h"
#include "userspace/collect/proc/cgroup.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/source.h"

#define FACT_MAX 256 /* bytes of a value */
/* /proc/cpuinfo of a machine with a thousand CPUs is about two megabytes; the first is enough. */
#define FILE_MAX (64u * 1024)
#define ID_MAX	 64 /* sha1 has 20 bytes; --build-id=0x… may be anything */

struct facts {
	struct sink sink;
	int error; /* sticky */
};

/* "" is not known, and left out. */
static void fact(struct facts *f, const char *key, const char *value)
{
	if (f->error >= 0 && *value != '\0')
		f->error = emit_meta(f->sink, key, "%s", value);
}

static void fact_number(struct facts *f, const char *key, uint64_t number)
{
	char value[32];
	(void)snprintf(value, sizeof(value), "%llu", (unsigned long long)number);
	fact(f, key, value);
}

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

/* --- the libraries that we run with ourselves: in memory already, no file is opened ------------- */

struct wanted {
	const char *name;
	char *ret;
};

static size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* The id in the notes from @at on, @size bytes in all. */
static void read_notes(const char *at, size_t size, char *ret)
{
	while (size >= sizeof(ElfW(Nhdr))) {
		ElfW(Nhdr) note;
		memcpy(&note, at, sizeof(note));
		const size_t name = padded(note.n_namesz), id = padded(note.n_descsz);
		if (size - sizeof(note) < name || size - sizeof(note) - name < id)
			return;
		const unsigned char *bytes = (const unsigned char *)at + sizeof(note) + name;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    memcmp(at + sizeof(note), ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 &&
		    note.n_descsz <= ID_MAX) {
			for (size_t i = 0; i < note.n_descsz; i++)
				(void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
			return;
		}
		at += sizeof(note) + name + id;
		size -= sizeof(note) + name + id;
	}
}

static int look_at(struct dl_phdr_info *info, size_t size, void *data)
{
	struct wanted *wanted = data;
	const char *slash = strrchr(info->dlpi_name, '/');
	const char *name = slash != NULL ? slash + 1 : info->dlpi_name;
	(void)size;
	if (strncmp(name, wanted->name, strlen(wanted->name)) != 0)
		return 0;
	for (int i = 0; i < info->dlpi_phnum && wanted->ret[0] == '\0'; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		if (header->p_type == PT_NOTE)
			/* The loader has mapped it: an address, not an offset. */
			read_notes((const char *)(uintptr_t)(info->dlpi_addr + header->p_vaddr),
				   header->p_memsz, wanted->ret);
	}
	return 1;
}

/* Of the shared object whose file name begins with @name, in hexadecimal; "" when there is none. */
static void build_id_of(const char *name, char ret[static FACT_MAX])
{
	struct wanted wanted = { name, ret };
	ret[0] = '\0';
	(void)dl_iterate_phdr(look_at, &wanted);
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

static void facts_of_host(struct facts *f)
{
	facts_of_cpu(f);
	facts_of_system(f);
	fact(f, "host.virtual", hypervisor());
	facts_of_container(f);
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
		"PYTHONMALLOC",
		"USE_ZEND_ALLOC",
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
			fact(f, key, value);
	}
}

int source_proc_facts(struct sink sink)
{
	struct facts f = { .sink = sink };
	_cleanup_free_ char *directory = getcwd(NULL, 0);

	fact(&f, "version", STARTLINE_VERSION);
	fact_number(&f, "realtime_ns", clock_ns(CLOCK_REALTIME));
	if (directory != NULL)
		fact(&f, "directory", directory);
	facts_of_host(&f);
	facts_of_environment(&f);
	return f.error;
}
