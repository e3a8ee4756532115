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

/* One thread at a time writes: the others go without. Nobody is interrupted in here by somebody who comes here
 * (exact.c: enter()), so a place that is the caller's own was left by siglongjmp(). */
static bool begin_writing(struct code *code)
{
	const uint64_t self = thread_pointer();
	uint64_t writer = 0;

	return __atomic_compare_exchange_n(&code->writer, &writer, self, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED) ||
	       writer == self;
}

static void end_writing(struct code *code)
{
	__atomic_store_n(&code->writer, 0, __ATOMIC_RELEASE);
}

static struct code_module *find_known(struct code *code, uint64_t state, uintptr_t address)
{
	for (uint32_t i = 0; i < (uint32_t)state && i < CODE_MODULES; i++) {
		struct code_module *m = &code->modules[i];
		if (address - m->start < m->end - m->start)
			return m;
	}
	return NULL;
}

/* *state becomes the one in which it was added. */
static struct code_module *add_module(struct code *code, uintptr_t address, uint64_t *state)
{
	struct code_module m = { 0 }, *added = NULL;

	if (!begin_writing(code))
		return NULL;
	*state = __atomic_load_n(&code->state, __ATOMIC_ACQUIRE);
	const uint32_t n = (uint32_t)*state;
	if (n < CODE_MODULES && real_object_at(address, &m.start, &m.end) &&
	    find_known(code, *state, address) == NULL) {
		(void)read_module(&m);
		code->modules[n] = m;
		/* Release: pairs with the acquire of code_rule(). It fails if libraries have gone since, this
		 * one maybe among them. */
		if (__atomic_compare_exchange_n(&code->state, state, *state + 1, false,
						__ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
			added = &code->modules[n];
			++*state;
		}
	}
	end_writing(code);
	return added;
}

/* Looks for the table of @m, which was found in @state. */
static const struct sl_rows *add_table(struct code *code, struct code_module *m, uint64_t state)
{
	const struct sl_rows *table = NULL;

	if (!begin_writing(code))
		return NULL;
	/* In another epoch the place may be another module's; from now on it stays what it is. */
	if (code_epoch(code) == (uint32_t)(state >> 32)) {
		table = m->table;
		if (table == NULL && is_time(++m->n_asked))
			table = find_table(code->directory, m);
		/* Release: pairs with the acquire of code_rule(). */
		__atomic_store_n(&m->table, table, __ATOMIC_RELEASE);
	}
	end_writing(code);
	return table;
}

uint32_t code_rule(struct code *code, uintptr_t address, bool may_call)
{
	uint64_t state = __atomic_load_n(&code->state, __ATOMIC_ACQUIRE);
	struct code_module *m = find_known(code, state, address);

	if (m == NULL && may_call)
		m = add_module(code, address, &state);
	if (m == NULL || m->n_build_id == 0)
		return SL_RULE_UNKNOWN;
	const struct sl_rows *table = __atomic_load_n(&m->table, __ATOMIC_ACQUIRE);
	if (table == NULL && may_call)
		table = add_table(code, m, state);
	return table == NULL ? SL_RULE_UNKNOWN : sl_rows_find(table, address - m->bias);
}

void code_changed(struct code *code)
{
	uint64_t state = __atomic_load_n(&code->state, __ATOMIC_RELAXED);

	/* Who reads a module just now may take one for the other, until he sees the epoch: the tables stay mapped. */
	while (!__atomic_compare_exchange_n(&code->state, &state, ((state >> 32) + 1) << 32, false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}
