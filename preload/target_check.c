/* SPDX-License-Identifier: MIT */
/* What kind of program a file is, read from the file. The file may be hostile: every offset is taken
 * as a number for pread, nothing is mapped, loops are bounded. */
#include "preload/target_check.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "preload/sys.h"

enum {
	HEAD_SIZE = 64 + 14 * sizeof(Elf64_Phdr), /* the ELF header and what follows it as a rule */
	MAX_SEGMENTS = 64,
	MAX_LOADS = 6,
	MAX_DYNAMIC = 512,
	DYNAMIC_CHUNK = 16,
	MAX_NEEDED = 48,
	MAX_CHAIN = 64,
	MAX_SCRIPTS = 4, /* the kernel follows five interpreters */
	SCRIPT_LINE = 256,
	NAME_SIZE = 24,
	MAX_OPTIONS = 64,
	PATH_LIMIT = 4096,
	VALUE_LIMIT = 65536,
};

/* Where a piece of the address space is in the file. */
struct load {
	uint64_t address;
	uint64_t offset;
	uint64_t bytes;
};

struct elf_file {
	int fd;
	bool has_interpreter;
	uint64_t interpreter_offset;
	uint64_t dynamic_offset;
	uint64_t dynamic_bytes;
	struct load loads[MAX_LOADS];
	uint32_t n_loads;
	uint32_t n_needed;
	uint32_t needed[MAX_NEEDED]; /* offsets into the string table */
	uint64_t soname;
	uint64_t strings;  /* address; 0: none */
	uint64_t gnu_hash; /* address; 0: none */
};

static bool read_at(int fd, void *to, size_t n, uint64_t offset)
{
	return sys_call4(SYS_pread64, fd, (long)to, (long)n, (long)offset) == (long)n;
}

static bool offset_of(const struct elf_file *f, uint64_t address, uint64_t *ret)
{
	for (uint32_t i = 0; i < f->n_loads; i++) {
		const struct load *l = &f->loads[i];
		if (address >= l->address && address - l->address < l->bytes) {
			*ret = l->offset + (address - l->address);
			return true;
		}
	}
	return false;
}

static void add_segment(struct elf_file *f, const Elf64_Phdr *p)
{
	if (p->p_type == PT_INTERP) {
		f->has_interpreter = true;
		f->interpreter_offset = p->p_offset;
	} else if (p->p_type == PT_DYNAMIC) {
		f->dynamic_offset = p->p_offset;
		f->dynamic_bytes = p->p_filesz;
	} else if (p->p_type == PT_LOAD && f->n_loads < MAX_LOADS) {
		f->loads[f->n_loads++] = (struct load){ p->p_vaddr, p->p_offset, p->p_filesz };
	}
}

static void read_segments(struct elf_file *f, const unsigned char *head, size_t n_head)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)(const void *)head;
	const unsigned int n = e->e_phnum < MAX_SEGMENTS ? e->e_phnum : MAX_SEGMENTS;

	for (unsigned int i = 0; i < n; i++) {
		const uint64_t at = e->e_phoff + i * sizeof(Elf64_Phdr);
		Elf64_Phdr p;
		if (at < n_head && at + sizeof(p) <= n_head)
			copy_bytes(&p, head + at, sizeof(p));
		else if (!read_at(f->fd, &p, sizeof(p), at))
			return;
		add_segment(f, &p);
	}
}

static void read_dynamic(struct elf_file *f)
{
	Elf64_Dyn chunk[DYNAMIC_CHUNK];
	uint64_t left = f->dynamic_bytes / sizeof(chunk[0]);
	uint64_t at = f->dynamic_offset;

	if (left > MAX_DYNAMIC)
		left = MAX_DYNAMIC;
	while (left > 0) {
		const uint64_t n = left < DYNAMIC_CHUNK ? left : DYNAMIC_CHUNK;
		if (!read_at(f->fd, chunk, n * sizeof(chunk[0]), at))
			return;
		for (uint64_t i = 0; i < n; i++) {
			const uint64_t value = chunk[i].d_un.d_val;
			if (chunk[i].d_tag == DT_NULL)
				return;
			if (chunk[i].d_tag == DT_NEEDED && f->n_needed < MAX_NEEDED)
				f->needed[f->n_needed++] = (uint32_t)value;
			else if (chunk[i].d_tag == DT_STRTAB)
				f->strings = value;
			else if (chunk[i].d_tag == DT_SONAME)
				f->soname = value;
			else if (chunk[i].d_tag == DT_GNU_HASH)
				f->gnu_hash = value;
		}
		at += n * sizeof(chunk[0]);
		left -= n;
	}
}

/* Reads the beginning of a string; what is missing is zero. */
static bool read_name(const struct elf_file *f, uint64_t string, char *ret)
{
	uint64_t at = 0;

	if (!offset_of(f, f->strings, &at))
		return false;
	for (size_t i = 0; i < NAME_SIZE; i++)
		ret[i] = '\0';
	(void)sys_call4(SYS_pread64, f->fd, (long)ret, NAME_SIZE - 1, (long)(at + string));
	return true;
}

static bool is_sanitizer(const char *name)
{
	static const char *const runtimes[] = { "libasan.", "libtsan.",	  "libubsan.",
						"liblsan.", "libhwasan.", "libclang_rt.",
						"libmsan." };

	for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]) && name[0] == 'l'; i++) {
		if (text_after(name, runtimes[i]) != NULL)
			return true;
	}
	return false;
}

static bool needs_sanitizer(const struct elf_file *f)
{
	char name[NAME_SIZE];

	for (uint32_t i = 0; i < f->n_needed; i++) {
		if (read_name(f, f->needed[i], name) && is_sanitizer(name))
			return true;
	}
	return false;
}

/* Whether the file defines a dynamic symbol of this name. Equal hashes are taken for equal names. */
static bool defines(const struct elf_file *f, uint64_t table, const char *name)
{
	uint32_t h[4]; /* n_buckets, first symbol, n_bloom, shift */
	uint32_t hash = 5381, i = 0, entry = 0;
	uint64_t word = 0;

	for (const char *c = name; *c != '\0'; c++)
		hash = hash * 33 + (unsigned char)*c;
	if (!read_at(f->fd, h, sizeof(h), table) || h[0] == 0 || h[2] == 0 || h[3] > 31)
		return false;
	const uint64_t bloom = table + sizeof(h);
	const uint64_t buckets = bloom + (uint64_t)h[2] * 8;
	if (!read_at(f->fd, &word, sizeof(word), bloom + (uint64_t)(hash / 64 % h[2]) * 8) ||
	    (word >> (hash % 64) & word >> ((hash >> h[3]) % 64) & 1) == 0)
		return false;
	if (!read_at(f->fd, &i, sizeof(i), buckets + (uint64_t)(hash % h[0]) * 4) || i < h[1])
		return false;
	for (int steps = 0; steps < MAX_CHAIN; steps++, i++) {
		const uint64_t at = buckets + ((uint64_t)h[0] + i - h[1]) * 4;
		if (!read_at(f->fd, &entry, sizeof(entry), at))
			return false;
		if (((entry ^ hash) >> 1) == 0)
			return true;
		if ((entry & 1) != 0)
			return false;
	}
	return false;
}

static bool contains_sanitizer(const struct elf_file *f)
{
	/* Not pointers, which the loader would write: no room in the page of what a start writes. */
	static const char marks[][16] = { "__asan_init", "__tsan_init", "__hwasan_init",
					  "__msan_init", "__lsan_init" };
	uint64_t table = 0;

	if (f->gnu_hash == 0 || !offset_of(f, f->gnu_hash, &table))
		return false;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (defines(f, table, marks[i]))
			return true;
	}
	return false;
}

/* A loader run as a program ("ld.so prog") has no interpreter but does preload. */
static bool is_loader(const struct elf_file *f)
{
	char name[NAME_SIZE];

	return f->soname != 0 && read_name(f, f->soname, name) &&
	       (text_after(name, "ld-") != NULL || text_after(name, "libc.") != NULL);
}

static bool has_musls_loader(const struct elf_file *f)
{
	static const char place[] = "/lib/ld-musl";
	char path[sizeof(place)] = "";

	(void)read_at(f->fd, path, sizeof(place) - 1, f->interpreter_offset);
	return text_equal(path, place);
}

static enum target check_elf(int fd, const unsigned char *head, size_t n)
{
	struct elf_file f = { .fd = fd };

	if (n < sizeof(Elf64_Ehdr))
		return TARGET_FITS;
	if (head[EI_CLASS] != ELFCLASS64)
		return TARGET_32BIT;
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)(const void *)head;
	if (e->e_machine != EM_X86_64)
		return TARGET_FOREIGN;
	read_segments(&f, head, n);
	if (f.dynamic_bytes != 0)
		read_dynamic(&f);
	if (!f.has_interpreter)
		return is_loader(&f) ? TARGET_LOADER : TARGET_STATIC;
	if (needs_sanitizer(&f) || contains_sanitizer(&f))
		return TARGET_SANITIZER;
	return has_musls_loader(&f) ? TARGET_MUSL : TARGET_FITS;
}

/* The interpreter's path of a "#!" line, in place; NULL if there is none. */
static char *interpreter_of(char *line, size_t n)
{
	char *at = line + 2;
	char *const end = line + n;

	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	char *stop = at;
	while (stop < end && *stop != ' ' && *stop != '\t' && *stop != '\n' && *stop != '\0')
		stop++;
	if (stop == at || stop == end)
		return NULL;
	*stop = '\0';
	return at;
}

/* ---- the cache ---- */

static uint64_t mixed(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ (hash >> 29);
}

static uint64_t identity_of(const struct stat *s)
{
	uint64_t hash = mixed(0, s->st_dev);

	hash = mixed(hash, s->st_ino);
	hash = mixed(hash, (uint64_t)s->st_size);
	hash = mixed(hash, (uint64_t)s->st_ctim.tv_sec);
	hash = mixed(hash, (uint64_t)s->st_ctim.tv_nsec);
	return mixed(hash, s->st_mode) & ~(uint64_t)15;
}

/* Each entry is one word, so a reader sees all of it or nothing; a lost one is looked up again. */
static enum target cache_get(const struct sl_tree *cache, uint64_t identity)
{
	if (cache == NULL)
		return TARGET_UNKNOWN;
	const uint64_t word = __atomic_load_n(&cache->targets[(identity >> 4) % SL_TREE_TARGETS],
					      __ATOMIC_RELAXED);
	return ((word ^ identity) & ~(uint64_t)15) == 0 ? (enum target)(word & 15) : TARGET_UNKNOWN;
}

static void cache_put(struct sl_tree *cache, uint64_t identity, enum target target)
{
	if (cache != NULL)
		__atomic_store_n(&cache->targets[(identity >> 4) % SL_TREE_TARGETS],
				 identity | (uint64_t)target, __ATOMIC_RELAXED);
}

/* ---- the question ---- */

/* The superuser gains nothing by capabilities or by a set-uid root file, and the kernel then
 * does not set AT_SECURE. */
static bool gains_privileges(const struct stat *s, int fd)
{
	char value[32];
	const bool has_bits = (s->st_mode & (S_ISUID | S_ISGID)) != 0;

	if (!has_bits && sys_call4(SYS_fgetxattr, fd, (long)"security.capability", (long)value,
				   sizeof(value)) <= 0)
		return false;
	const long uid = sys_call3(SYS_geteuid, 0, 0, 0);
	const long gid = sys_call3(SYS_getegid, 0, 0, 0);
	if (has_bits)
		return ((s->st_mode & S_ISUID) != 0 && s->st_uid != uid) ||
		       ((s->st_mode & S_ISGID) != 0 && s->st_gid != gid);
	return uid != 0;
}

static int open_target(int directory_fd, const char *path)
{
	char own[40];

	if (path[0] == '\0') { /* AT_EMPTY_PATH: open the descriptor's file again, for reading */
		char *at = text_append(own, own + sizeof(own), "/proc/self/fd/");
		(void)text_append_number(at, own + sizeof(own), (uint64_t)directory_fd);
		path = own;
	}
	/* O_NONBLOCK: a FIFO must not make us wait. */
	return (int)sys_call4(SYS_openat, directory_fd, (long)path,
			      O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | SL_OPEN_OWN, 0);
}

/* The beginning of a file. */
struct head {
	_Alignas(8) unsigned char bytes[HEAD_SIZE];
};

/* One file. *ret_next is set to the interpreter, inside @head, for a script. */
static enum target check_file(int fd, const struct stat *s, struct head *head,
			      const char **ret_next)
{
	const unsigned char *bytes = head->bytes;
	const long n = sys_call4(SYS_pread64, fd, (long)bytes, sizeof(head->bytes), 0);

	if (n >= 4 && bytes[0] == ELFMAG0 && bytes[1] == ELFMAG1 && bytes[2] == ELFMAG2 &&
	    bytes[3] == ELFMAG3) {
		/* Before the rest: a set-uid program's sanitizer is its own business. */
		return gains_privileges(s, fd) ? TARGET_SECURE : check_elf(fd, bytes, (size_t)n);
	}
	if (n > 2 && bytes[0] == '#' && bytes[1] == '!')
		*ret_next = interpreter_of((char *)head->bytes,
					   n < SCRIPT_LINE ? (size_t)n : SCRIPT_LINE);
	return TARGET_FITS;
}

enum target target_check(int directory_fd, const char *path, struct sl_tree *cache)
{
	struct head head;
	uint64_t first_identity = 0;
	enum target target = TARGET_FITS;

	for (int depth = 0; depth <= MAX_SCRIPTS && path != NULL; depth++) {
		struct stat s;
		const long flags = path[0] == '\0' ? 0x1000 : 0; /* AT_EMPTY_PATH */
		if (sys_call4(SYS_newfstatat, directory_fd, (long)path, (long)&s, flags) != 0 ||
		    !S_ISREG(s.st_mode))
			return TARGET_FITS;
		const uint64_t identity = identity_of(&s);
		const enum target known = cache_get(cache, identity);
		if (known != TARGET_UNKNOWN)
			return known;
		const int fd = open_target(directory_fd, path);
		if (fd < 0)
			return TARGET_FITS;
		path = NULL; /* it may be inside @head */
		target = check_file(fd, &s, &head, &path);
		(void)sys_call3(SYS_close, fd, 0, 0);
		if (depth == 0)
			first_identity = identity;
		directory_fd = AT_FDCWD;
	}
	/* Who gains privileges depends on who asks. */
	if (target != TARGET_SECURE)
		cache_put(cache, first_identity, target);
	return target;
}

/* What the loader will make of its program: of a static one it runs no constructor of the shim, which
 * would hide the variables. */
static enum target check_loaders_program(const char *program, struct reader *reader,
					 struct sl_tree *cache)
{
	if (program == NULL)
		return TARGET_LOADER;
	if (reader_length(reader, program, PATH_LIMIT) == SIZE_MAX)
		return TARGET_UNREADABLE;
	const enum target target = target_check(AT_FDCWD, program, cache);
	return target == TARGET_STATIC || target == TARGET_SANITIZER ? target : TARGET_LOADER;
}

/* What a loader is run for, perhaps only to print something: "ld.so --list PROGRAM". */
static enum target check_loader(char *const *argv, struct reader *reader, struct sl_tree *cache)
{
	static const char shows[][16] = { "--list", "--verify", "--help", "--version" };
	bool is_readable = true;
	size_t i = 1;

	for (; i < MAX_OPTIONS; i++) {
		if (!reader_may_read(reader, &argv[i], sizeof(*argv)))
			return TARGET_UNREADABLE;
		if (argv[i] == NULL || reader_after(reader, argv[i], "--", &is_readable) == NULL)
			break;
		for (size_t k = 0; k < sizeof(shows) / sizeof(shows[0]); k++) {
			if (reader_after(reader, argv[i], shows[k], &is_readable) != NULL)
				return TARGET_LISTED;
		}
		/* All others but one have a value. */
		if (reader_after(reader, argv[i], "--inhibit-cache", &is_readable) == NULL)
			i++;
	}
	if (i >= MAX_OPTIONS)
		return TARGET_LOADER;
	return is_readable ? check_loaders_program(argv[i], reader, cache) : TARGET_UNREADABLE;
}

static enum target check_variable(const char *variable, struct reader *reader)
{
	bool is_readable = true;

	if (reader_after(reader, variable, "LD_TRACE_LOADED_OBJECTS=", &is_readable) != NULL)
		return TARGET_LISTED;
	const char *value = reader_after(reader, variable, "LD_PRELOAD=", &is_readable);
	const size_t n = value == NULL ? 0 : reader_length(reader, value, VALUE_LIMIT);
	if (!is_readable || n == SIZE_MAX)
		return TARGET_UNREADABLE;
	for (size_t i = 0; i < n && n < VALUE_LIMIT; i++) {
		if (is_sanitizer(&value[i]))
			return TARGET_SANITIZER;
	}
	return TARGET_FITS;
}

enum target target_check_exec(const struct execution *e, struct reader *reader,
			      struct sl_tree *cache)
{
	if (reader_length(reader, e->path, PATH_LIMIT) == SIZE_MAX)
		return TARGET_UNREADABLE;
	for (char *const *v = e->envp;; v++) {
		if (!reader_may_read(reader, v, sizeof(*v)))
			return TARGET_UNREADABLE;
		if (*v == NULL)
			break;
		const enum target by_variable = check_variable(*v, reader);
		if (by_variable != TARGET_FITS)
			return by_variable;
	}
	const enum target target = target_check(e->directory_fd, e->path, cache);
	return target == TARGET_LOADER ? check_loader(e->argv, reader, cache) : target;
}

bool target_fits(enum target target)
{
	return target == TARGET_FITS || target == TARGET_MUSL || target == TARGET_LOADER;
}

enum sl_cover_reason target_reason(enum target target)
{
	switch (target) {
	case TARGET_STATIC:
		return SL_COVER_STATIC;
	case TARGET_32BIT:
		return SL_COVER_32BIT;
	case TARGET_FOREIGN:
	case TARGET_LISTED:
		return SL_COVER_OFF;
	case TARGET_SANITIZER:
		return SL_COVER_SANITIZER;
	case TARGET_SECURE:
		return SL_COVER_SECURE;
	case TARGET_FITS:
	case TARGET_MUSL:
	case TARGET_LOADER:
	case TARGET_UNKNOWN:
	case TARGET_UNREADABLE:
		break;
	}
	return (enum sl_cover_reason)0;
}
