/* SPDX-License-Identifier: MIT */
/* See object.h. GNU's hash table, with a Bloom filter in front; else that of System V. */
#include "preload/object.h"

#include <elf.h>
#include <stdbool.h>

#include "preload/sys.h"

/* glibc relocates these pointers in place, musl and the vDSO do not. */
static uintptr_t object_address(const struct object *o, Elf64_Addr value)
{
	return value < o->base ? o->base + value : value;
}

void object_read(uintptr_t base, const Elf64_Dyn *dynamic, struct object *ret)
{
	*ret = (struct object){ .base = base };
	for (const Elf64_Dyn *d = dynamic; d != NULL && d->d_tag != DT_NULL; d++) {
		const uintptr_t address = object_address(ret, d->d_un.d_ptr);
		if (d->d_tag == DT_SYMTAB)
			ret->symbols = (const Elf64_Sym *)address;
		else if (d->d_tag == DT_STRTAB)
			ret->names = (const char *)address;
		else if (d->d_tag == DT_GNU_HASH)
			ret->gnu_hash = (const uint32_t *)address;
		else if (d->d_tag == DT_HASH)
			ret->sysv_hash = (const uint32_t *)address;
		else if (d->d_tag == DT_VERSYM)
			ret->versions = (const Elf64_Versym *)address;
	}
}

static bool symbol_matches(const struct object *o, uint32_t index, const char *name)
{
	const Elf64_Sym *s = &o->symbols[index];
	const unsigned int type = ELF64_ST_TYPE(s->st_info);

	if (s->st_shndx == SHN_UNDEF || s->st_value == 0 || type == STT_TLS ||
	    type == STT_GNU_IFUNC)
		return false;
	/* A hidden version is an old one kept for old programs; the default is wanted. */
	if (o->versions != NULL && (o->versions[index] & 0x8000) != 0)
		return false;
	return text_equal(o->names + s->st_name, name);
}

uint32_t object_hash(const char *name)
{
	uint32_t hash = 5381;

	for (const char *c = name; *c != '\0'; c++)
		hash = hash * 33 + (unsigned char)*c;
	return hash;
}

static const Elf64_Sym *find_gnu(const struct object *o, const char *name, uint32_t hash)
{
	const uint32_t *table = o->gnu_hash;
	const uint32_t n_buckets = table[0];
	const uint32_t first = table[1];
	const uint32_t n_bloom = table[2];
	const uint32_t shift = table[3];
	const uint64_t *bloom = (const uint64_t *)(const void *)&table[4];
	const uint32_t *buckets = (const uint32_t *)(const void *)&bloom[n_bloom];
	const uint32_t *chain = &buckets[n_buckets];

	if (n_buckets == 0 || n_bloom == 0)
		return NULL;
	const uint64_t word = bloom[(hash / 64) & (n_bloom - 1)];
	if ((word >> (hash % 64) & word >> ((hash >> shift) % 64) & 1) == 0)
		return NULL;
	uint32_t i = buckets[hash % n_buckets];
	if (i < first)
		return NULL;
	for (;; i++) {
		const uint32_t entry = chain[i - first];
		if (((entry ^ hash) >> 1) == 0 && symbol_matches(o, i, name))
			return &o->symbols[i];
		if ((entry & 1) != 0)
			return NULL;
	}
}

static const Elf64_Sym *find_sysv(const struct object *o, const char *name)
{
	const uint32_t n_buckets = o->sysv_hash[0];
	const uint32_t *buckets = &o->sysv_hash[2];
	const uint32_t *chain = &buckets[n_buckets];
	uint32_t hash = 0;

	for (const char *c = name; *c != '\0'; c++) {
		hash = (hash << 4) + (unsigned char)*c;
		hash ^= (hash >> 24) & 0xf0;
	}
	hash &= 0x0fffffff;
	if (n_buckets == 0)
		return NULL;
	for (uint32_t i = buckets[hash % n_buckets]; i != STN_UNDEF; i = chain[i]) {
		if (symbol_matches(o, i, name))
			return &o->symbols[i];
	}
	return NULL;
}

void *object_find(const struct object *o, const char *name, uint32_t hash)
{
	const Elf64_Sym *s = NULL;

	if (o->symbols == NULL || o->names == NULL)
		return NULL;
	if (o->gnu_hash != NULL)
		s = find_gnu(o, name, hash);
	else if (o->sysv_hash != NULL)
		s = find_sysv(o, name);
	return s == NULL ? NULL : (void *)(o->base + s->st_value);
}
