/* SPDX-License-Identifier: MIT */
/* From an address to the piece of code that it is in, and from a method to its name. */
#include "userspace/stacks/hotspot.h"

#include <errno.h>
#include <string.h>

#define HEAP_MAX  (UINT64_C(4) << 30) /* of code; the JVM itself allows 2 GiB */
#define BLOB_MAX  (64u << 20)
#define WORDS_MAX (1u << 17) /* of a frame: 1 MiB */
#define SHIFT_MIN 4u
#define SHIFT_MAX 16u
#define GOING_MAX 4096u /* steps back; a blob of 128 KiB takes 5, more where the map is in pieces */
#define PIECE	  512u	/* of the map, read at once */
#define FREE	  0xffu /* in the map: nothing is there */
#define HEADER	  1024u /* of a blob; 400 in 17 */

/* ---- heaps ---- */

static bool read_heap(const struct hotspot_layout *l, uint64_t heap, struct memory_reader memory,
		      struct hotspot_heap *ret)
{
	const uint64_t end = memory_pointer(memory, heap, l->heap_segments + l->space_high);
	*ret = (struct hotspot_heap){
		.start = memory_pointer(memory, heap, l->heap_memory + l->space_low),
		.end = memory_pointer(memory, heap, l->heap_memory + l->space_high),
		.segments = memory_pointer(memory, heap, l->heap_segments + l->space_low),
	};
	if (memory_read(memory, heap, l->segment_shift, &ret->shift, sizeof(ret->shift)) < 0)
		return false;
	ret->n_segments = end - ret->segments;
	return ret->start != 0 && ret->start < ret->end && ret->end - ret->start <= HEAP_MAX &&
	       ret->segments != 0 && ret->segments < end && ret->n_segments <= HEAP_MAX &&
	       ret->shift >= SHIFT_MIN && ret->shift <= SHIFT_MAX;
}

size_t hotspot_heaps_read(const struct hotspot_layout *layout, struct memory_reader memory,
			  struct hotspot_heap *ret)
{
	const struct hotspot_layout *l = layout;
	uint64_t items = l->heap;
	uint32_t n = 1;
	if (l->heap_list != 0) {
		const uint64_t list = memory_pointer(memory, l->heap_list, 0);
		if (memory_read(memory, list, l->array_length, &n, sizeof(n)) < 0)
			return 0;
		items = memory_pointer(memory, list, l->array_items);
	}
	size_t n_read = 0;
	for (uint32_t i = 0; i < n && i < HOTSPOT_HEAPS_MAX; i++)
		if (read_heap(l, memory_pointer(memory, items, i * (uint32_t)sizeof(uint64_t)),
			      memory, &ret[n_read]))
			n_read++;
	return n_read;
}

const struct hotspot_heap *hotspot_heap_of(const struct hotspot_heap *heaps, size_t n,
					   uint64_t address)
{
	for (size_t i = 0; i < n; i++)
		if (address >= heaps[i].start && address < heaps[i].end)
			return &heaps[i];
	return NULL;
}

/* ---- blobs ---- */

/* Back from segment @at to the one where its block begins. */
static int find_block(const struct hotspot_heap *heap, uint64_t at, struct memory_reader memory,
		      uint64_t *ret)
{
	uint8_t piece[PIECE];
	uint64_t from = UINT64_MAX; /* the first that is in it */
	for (unsigned int i = 0; i < GOING_MAX; i++) {
		if (at >= heap->n_segments)
			return -ENOENT;
		if (at < from || from == UINT64_MAX) {
			from = at < PIECE ? 0 : at - PIECE + 1;
			const int r = memory.read(memory.data, heap->segments + from, piece,
						  (size_t)(at - from + 1));
			if (r < 0)
				return r;
		}
		const uint8_t back = piece[at - from];
		if (back == 0) {
			*ret = at;
			return 0;
		}
		if (back == FREE || back > at)
			return -ENOENT;
		at -= back;
	}
	return -ENOENT;
}

static int add_text(struct buf *to, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return -EBADMSG;
	return n == 0 ? -EBADMSG : buf_add(to, text, n);
}

/* A text that ends with a NUL, which may be the last byte that can be read. */
static int read_string(uint64_t address, struct memory_reader memory, struct buf *ret)
{
	char text[128];
	size_t n = 0;
	while (n < sizeof(text)) {
		const uint64_t left = 64 - (address + n) % 64;
		const size_t piece = left < sizeof(text) - n ? (size_t)left : sizeof(text) - n;
		const int r = memory_read(memory, address, (uint32_t)n, text + n, piece);
		if (r < 0)
			return r;
		const char *end = memchr(text + n, '\0', piece);
		if (end != NULL)
			return add_text(ret, text, (size_t)(end - text));
		n += piece;
	}
	return -EBADMSG;
}

static uint64_t field(const uint8_t *header, uint32_t offset, size_t n)
{
	uint64_t value = 0;
	if (offset <= HEADER - n)
		memcpy(&value, header + offset, n);
	return value;
}

static enum hotspot_kind kind_of(const char *name)
{
	static const struct {
		const char *name;
		enum hotspot_kind kind;
	} kinds[] = {
		{ "nmethod", HOTSPOT_COMPILED },	{ "native nmethod", HOTSPOT_COMPILED },
		{ "Interpreter", HOTSPOT_INTERPRETER }, { "vtable chunks", HOTSPOT_THUNK },
		{ "I2C/C2I adapters", HOTSPOT_THUNK },
	};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return kinds[i].kind;
	return HOTSPOT_STUB;
}

static void read_code(const struct hotspot_layout *l, const uint8_t *header,
		      struct hotspot_blob *blob)
{
	if (l->code_begin != HOTSPOT_ABSENT && l->code_end != HOTSPOT_ABSENT) {
		blob->code = field(header, l->code_begin, sizeof(uint64_t));
		blob->code_end = field(header, l->code_end, sizeof(uint64_t));
	} else {
		blob->code = blob->start + field(header, l->code_begin_at, sizeof(uint32_t));
		blob->code_end = blob->start + field(header, l->code_end_at, sizeof(uint32_t));
	}
}

/* The blob at @start as its head says, but for what its name tells; @end: of the heap, or of the blob. */
static int read_head(const struct hotspot_layout *l, uint64_t start, uint64_t end,
		     struct memory_reader memory, struct hotspot_blob *ret)
{
	uint8_t header[HEADER] = { 0 };
	const size_t n = end - start < HEADER ? (size_t)(end - start) : HEADER;
	const int r = memory.read(memory.data, start, header, n);
	if (r < 0)
		return r;
	*ret = (struct hotspot_blob){
		.start = start,
		.end = start + field(header, l->blob_bytes, sizeof(uint32_t)),
		.frame_words = (uint32_t)field(header, l->blob_frame_words, sizeof(uint32_t)),
		/* Of 2 or of 4 bytes; larger ones there are none. */
		.complete = (int16_t)field(header, l->blob_complete, sizeof(uint16_t)),
		.name = field(header, l->blob_name, sizeof(uint64_t)),
		.method = field(header, l->method, sizeof(uint64_t)),
	};
	read_code(l, header, ret);
	if (ret->frame_words > WORDS_MAX)
		ret->frame_words = 0;
	return 0;
}

int hotspot_blob_read(const struct hotspot_layout *layout, const struct hotspot_heap *heap,
		      uint64_t address, struct memory_reader memory, struct hotspot_blob *ret,
		      struct buf *ret_name)
{
	struct hotspot_blob blob;
	uint64_t segment = 0;
	int r = find_block(heap, (address - heap->start) >> heap->shift, memory, &segment);
	if (r < 0)
		return r;
	const uint64_t start = heap->start + (segment << heap->shift) + layout->block_bytes;
	if (start >= heap->end || address < start)
		return -ENOENT;
	r = read_head(layout, start, heap->end, memory, &blob);
	if (r < 0)
		return r;
	if (blob.end - start > BLOB_MAX || blob.end > heap->end || blob.code < start ||
	    blob.code_end > blob.end || address < blob.code || address >= blob.code_end)
		return -ENOENT;
	buf_clear(ret_name);
	r = read_string(blob.name, memory, ret_name);
	if (r < 0)
		return r;
	blob.kind = kind_of(buf_str(ret_name));
	*ret = blob;
	return 0;
}

bool hotspot_blob_is_there(const struct hotspot_layout *layout, const struct hotspot_blob *blob,
			   struct memory_reader memory)
{
	struct hotspot_blob now;
	return read_head(layout, blob->start, blob->end, memory, &now) < 0 ||
	       (now.end == blob->end && now.name == blob->name && now.code == blob->code &&
		now.frame_words == blob->frame_words && now.complete == blob->complete &&
		(blob->kind != HOTSPOT_COMPILED || now.method == blob->method));
}

/* ---- methods ---- */

/* A structure whose beginning was read at once: what a reading costs does not depend on its length. */
struct object {
	struct memory_reader memory;
	uint64_t address;
	uint8_t bytes[64];
	size_t n; /* of these; 0: that cannot be read */
};

static struct object open_object(struct memory_reader memory, uint64_t address)
{
	struct object o = { .memory = memory, .address = address };
	if (memory_read(memory, address, 0, o.bytes, sizeof(o.bytes)) == 0)
		o.n = sizeof(o.bytes);
	return o;
}

static int read_member(const struct object *o, uint32_t offset, void *to, size_t n)
{
	if (n > o->n || offset > o->n - n)
		return memory_read(o->memory, o->address, offset, to, n);
	memcpy(to, o->bytes + offset, n);
	return 0;
}

/* The Symbol at @address: its length and its bytes. */
static int read_text(const struct hotspot_layout *l, uint64_t address, struct memory_reader memory,
		     char ret[static HOTSPOT_NAME_MAX], size_t *ret_n)
{
	const struct object symbol = open_object(memory, address);
	const bool is_high = l->text_length == HOTSPOT_ABSENT;
	uint16_t length = 0;
	int r = read_member(&symbol, is_high ? l->text_length_high + 2 : l->text_length, &length,
			    sizeof(length));
	if (r >= 0 && (length == 0 || length > HOTSPOT_NAME_MAX))
		r = -EBADMSG;
	if (r >= 0)
		r = read_member(&symbol, l->text, ret, length);
	*ret_n = length;
	return r < 0 ? r : 0;
}

/* "a/B$$Lambda" of "a/B$$Lambda$1+0x0000000800c03000", "a/B" of "a/B+0x0000000800c03000": numbers that
 * differ from run to run. */
static size_t without_numbers(const char *text, size_t n)
{
	static const char lambda[] = "$$Lambda";
	const char *at = memmem(text, n, lambda, strlen(lambda));
	if (at != NULL)
		return (size_t)(at - text) + strlen(lambda);
	at = memmem(text, n, "+0x", 3);
	return at != NULL ? (size_t)(at - text) : n;
}

uint64_t hotspot_method_identity(const struct hotspot_layout *layout, uint64_t method,
				 struct memory_reader memory)
{
	return method % sizeof(uint64_t) != 0
		       ? 0
		       : memory_pointer(memory, method, layout->constant_method);
}

int hotspot_method_name(const struct hotspot_layout *layout, uint64_t method,
			struct memory_reader memory, struct buf *ret_name)
{
	const struct hotspot_layout *l = layout;
	char text[HOTSPOT_NAME_MAX];
	size_t n = 0;
	uint64_t pool = 0, holder = 0;
	uint16_t index = 0;
	int32_t length = 0;
	buf_clear(ret_name);
	const struct object constant =
		open_object(memory, hotspot_method_identity(l, method, memory));
	if (read_member(&constant, l->constants, &pool, sizeof(pool)) < 0 ||
	    read_member(&constant, l->name_index, &index, sizeof(index)) < 0)
		return -EFAULT;
	const struct object constants = open_object(memory, pool);
	if (read_member(&constants, l->pool_holder, &holder, sizeof(holder)) < 0 ||
	    read_member(&constants, l->pool_length, &length, sizeof(length)) < 0)
		return -EFAULT;
	if (index == 0 || (int32_t)index >= length)
		return -EBADMSG;
	int r = read_text(l, memory_pointer(memory, holder, l->class_name), memory, text, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (text[i] == '/')
			text[i] = '.';
	r = add_text(ret_name, text, without_numbers(text, n));
	if (r >= 0)
		r = buf_addc(ret_name, '.');
	const uint64_t name =
		memory_pointer(memory, pool, l->pool_bytes + index * (uint32_t)sizeof(uint64_t));
	if (r >= 0)
		r = read_text(l, name, memory, text, &n);
	return r < 0 ? r : add_text(ret_name, text, n);
}
