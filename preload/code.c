/* SPDX-License-Identifier: MIT */
/* See code.h. A module is found by _dl_find_object(), which glibc's loader has for unwinders: it takes no
 * lock. Where it lacks, by the loader's list as far as it is safe to be walked (real.h). */
#include "preload/code.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "bpf/schema.h"
#include "preload/readable.h"
#include "preload/real.h"
#include "preload/sys.h"

enum { HEADERS_MAX = 64, NOTES_MAX = 4096, PAGE = 4096 };

/* ---- what a module is ---- */

static void take_build_id(struct code_module *m, const char *at, const char *end)
{
	while ((size_t)(end - at) >= sizeof(Elf64_Nhdr)) {
		const Elf64_Nhdr *note = (const Elf64_Nhdr *)(const void *)at;
		const uint64_t name = sizeof(*note);
		const uint64_t text = name + (((uint64_t)note->n_namesz + 3) & ~3ull);
		const uint64_t length = text + (((uint64_t)note->n_descsz + 3) & ~3ull);
		if (length > (size_t)(end - at))
			return;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == sizeof("GNU") &&
		    text_equal(at + name, "GNU") && note->n_descsz <= SL_BUILD_ID_BYTES) {
			m->n_build_id = note->n_descsz;
			copy_bytes(m->build_id, at + text, note->n_descsz);
			return;
		}
		at += length;
	}
}

/* By the headers that lie at its beginning. False: it has none that can be read there. */
static bool read_module(struct code_module *m)
{
	struct reader reader = { 0 };
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)m->start;
	bool has_bias = false;

	if (!reader_may_read(&reader, header, sizeof(*header)) || header->e_ident[0] != ELFMAG0 ||
	    header->e_ident[1] != ELFMAG1 || header->e_phentsize != sizeof(Elf64_Phdr) ||
	    header->e_phnum > HEADERS_MAX ||
	    header->e_phoff > m->end - m->start - header->e_phnum * sizeof(Elf64_Phdr))
		return false;
	const Elf64_Phdr *p = (const Elf64_Phdr *)(m->start + header->e_phoff);
	if (!reader_may_read(&reader, p, header->e_phnum * sizeof(*p)))
		return false;
	for (int i = 0; i < header->e_phnum; i++) {
		if (p[i].p_type == PT_LOAD && !has_bias) {
			m->bias = m->start - (p[i].p_vaddr & ~(uintptr_t)(PAGE - 1));
			has_bias = true;
		}
	}
	for (int i = 0; i < header->e_phnum && has_bias && m->n_build_id == 0; i++) {
		const char *notes = (const char *)(m->bias + p[i].p_vaddr);
		const size_t n = p[i].p_memsz < NOTES_MAX ? p[i].p_memsz : NOTES_MAX;
		if (p[i].p_type == PT_NOTE && reader_may_read(&reader, notes, n))
			take_build_id(m, notes, notes + n);
	}
	return has_bias;
}

/* ---- tables ---- */

static const struct sl_rows *map_table(const char *path, const struct code_module *m)
{
	struct stat s;
	const long fd = sys_call4(SYS_openat, AT_FDCWD, (long)path,
				  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | SL_OPEN_OWN, 0);
	if (fd < 0)
		return NULL;
	long at = -1;
	if (sys_call3(SYS_fstat, fd, (long)&s, 0) == 0 && S_ISREG(s.st_mode) &&
	    s.st_size >= (off_t)sizeof(struct sl_rows) && s.st_size <= UINT32_MAX)
		at = sys_call6(SYS_mmap, 0, s.st_size, PROT_READ, MAP_SHARED, fd, 0);
	(void)sys_call3(SYS_close, fd, 0, 0);
	if (sys_failed(at))
		return NULL;
	const struct sl_rows *table = (const struct sl_rows *)at;
	bool fits = sl_rows_fits(table, (uint64_t)s.st_size) && table->n_build_id == m->n_build_id;
	for (uint32_t i = 0; i < m->n_build_id && fits; i++)
		fits = table->build_id[i] == m->build_id[i];
	if (fits)
		return table;
	(void)sys_call3(SYS_munmap, at, s.st_size, 0);
	return NULL;
}

static const struct sl_rows *find_table(const char *directory, const struct code_module *m)
{
	static const char digits[] = "0123456789abcdef";
	static const char *const places[] = { "/" SL_ROWS_PREFIX, "/" SL_ROWS_CACHE "/" };
	char id[2 * SL_BUILD_ID_BYTES + 1];
	char path[CODE_DIRECTORY + 64];
	const struct sl_rows *table = NULL;

	for (uint32_t i = 0; i < m->n_build_id; i++) {
		id[2 * i] = digits[m->build_id[i] >> 4];
		id[2 * i + 1] = digits[m->build_id[i] & 15];
	}
	id[2 * m->n_build_id] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && table == NULL; i++) {
		const char *end = path + sizeof(path);
		char *at = text_append(path, end, directory);
		at = text_append(text_append(at, end, places[i]), end, id);
		if (at + 1 < end)
			table = map_table(path, m);
	}
	return table;
}

/* A table that was not there is looked for again at the 1st, 2nd, 4th ... time, and then now and then. */
static bool is_time(uint32_t n)
{
	enum { OFTEN = 4096 };

	return (n & (n - 1)) == 0 || n % OFTEN == 0;
}

/* ---- finding ---- */

static struct code_module *find_known(struct code *code, uintptr_t address)
{
	const uint32_t n = __atomic_load_n(&code->n_modules, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n && i < CODE_MODULES; i++) {
		struct code_module *m = &code->modules[i];
		if (address - m->start < m->end - m->start)
			return m;
	}
	return NULL;
}

static struct code_module *add_module(struct code *code, uintptr_t address)
{
	uint32_t expected = 0;
	struct code_module *added = NULL;

	if (!__atomic_compare_exchange_n(&code->is_adding, &expected, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return NULL;
	struct code_module m = { 0 };
	if (code->n_modules < CODE_MODULES && real_object_at(address, &m.start, &m.end) &&
	    find_known(code, address) == NULL) {
		(void)read_module(&m);
		added = &code->modules[code->n_modules];
		*added = m;
		/* Release: pairs with the acquire of find_known(). */
		__atomic_store_n(&code->n_modules, code->n_modules + 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&code->is_adding, 0, __ATOMIC_RELEASE);
	return added;
}

uint32_t code_rule(struct code *code, uintptr_t address, bool may_call)
{
	struct code_module *m = find_known(code, address);

	if (m == NULL && may_call)
		m = add_module(code, address);
	if (m == NULL || m->n_build_id == 0)
		return SL_RULE_UNKNOWN;
	/* Several threads may map it: one mapping too many does no harm. */
	const struct sl_rows *table = __atomic_load_n(&m->table, __ATOMIC_ACQUIRE);
	if (table == NULL && may_call && is_time(++m->n_asked)) {
		table = find_table(code->directory, m);
		__atomic_store_n(&m->table, table, __ATOMIC_RELEASE);
	}
	return table == NULL ? SL_RULE_UNKNOWN : sl_rows_find(table, address - m->bias);
}

void code_changed(struct code *code)
{
	/* Who reads a module just now may take one for the other: the tables stay mapped. */
	__atomic_store_n(&code->n_modules, 0, __ATOMIC_RELEASE);
	(void)__atomic_fetch_add(&code->epoch, 1, __ATOMIC_RELEASE);
}
