/* SPDX-License-Identifier: MIT */
/* CPython's frames: the chain from a thread's current frame outwards, and what a code object says. */
#include "userspace/stacks/python.h"

#include <errno.h>
#include <string.h>

#define INTERPRETERS_MAX 64u
#define THREADS_MAX	 4096u
#define FRAMES_MAX	 4096u /* more than the recursion limit that programs get by default */
#define TEXT_MAX	 4096u /* of a name or a path, in characters */
#define TEXT_BYTES_MAX	 (4 * TEXT_MAX)
#define LINES_MAX	 (256u << 10)
#define OFFSET_MAX	 (1u << 20)
#define UNIT_BYTES	 2u /* of an instruction */

/* ---- where things lie ---- */

/* Python 3.11, x86-64: offsetof() on its Include/internal and Include/cpython. */
static const struct python_layout layout_3_11 = {
	.interpreters_head = 40,
	.interpreter_next = 0,
	.threads_head = 16,
	.thread_next = 8,
	.native_thread_id = 160,
	.current_frame = 56,
	.frame_of_cframe = 8,
	.previous = 48,
	.code = 32,
	.instruction = 56,
	.owner = 69,
	.is_entry = 68,
	.filename = 112,
	.name = 128,
	.line_table = 136,
	.first_line = 72,
	.instructions = 184,
	.text_length = 16,
	.text_state = 32,
	.ascii_text = 48,
	.other_text = 72,
	.bytes_size = 16,
	.bytes = 32,
};

/* Python 3.13: struct _Py_DebugOffsets of Include/internal/pycore_runtime.h, in words of 8 bytes: cookie,
 * version, free_threaded, then a group per structure, which begins with its size. */
#define WORDS_3_13 71u
static const struct {
	uint8_t word;
	uint8_t member; /* of struct python_layout, in words of 4 bytes */
} words_3_13[] = {
#define TOLD(word_, member_)                                                      \
	{                                                                         \
		word_, offsetof(struct python_layout, member_) / sizeof(uint32_t) \
	}
	TOLD(5, interpreters_head),
	TOLD(8, interpreter_next),
	TOLD(9, threads_head),
	TOLD(21, thread_next),
	TOLD(23, current_frame),
	TOLD(25, native_thread_id),
	TOLD(29, previous),
	TOLD(30, code),
	TOLD(31, instruction),
	TOLD(33, owner),
	TOLD(35, filename),
	TOLD(37, name),
	TOLD(38, line_table),
	TOLD(39, first_line),
	TOLD(43, instructions),
	TOLD(65, bytes_size),
	TOLD(66, bytes),
	TOLD(68, text_state),
	TOLD(69, text_length),
	TOLD(70, ascii_text),
#undef TOLD
};
/* Of a text that is not ASCII, its UTF-8 form and the length of that come before the characters. */
#define UTF8_BYTES_3_13 16u

static int layout_of_3_13(uint64_t runtime, struct memory_reader memory, struct python_layout *ret)
{
	uint64_t words[WORDS_3_13];
	struct python_layout layout = { .is_entry = 0 };
	uint32_t *members = (uint32_t *)&layout;
	if (memory_read(memory, runtime, 0, words, sizeof(words)) < 0 ||
	    memcmp(words, "xdebugpy", sizeof(words[0])) != 0)
		return -EBADMSG;
	if (words[2] != 0)
		return -ENOTSUP; /* free-threaded */
	for (size_t i = 0; i < sizeof(words_3_13) / sizeof(words_3_13[0]); i++) {
		if (words[words_3_13[i].word] > OFFSET_MAX)
			return -EBADMSG;
		members[words_3_13[i].member] = (uint32_t)words[words_3_13[i].word];
	}
	layout.other_text = layout.ascii_text + UTF8_BYTES_3_13;
	*ret = layout;
	return 0;
}

bool python_layout_is_known(unsigned int version)
{
	return version == 0x030b || version == 0x030d;
}

int python_layout_of(unsigned int version, uint64_t runtime, struct memory_reader memory,
		     struct python_layout *ret)
{
	if (!python_layout_is_known(version))
		return -ENOTSUP;
	if (version == 0x030d)
		return layout_of_3_13(runtime, memory, ret);
	*ret = layout_3_11;
	return 0;
}

/* ---- frames ---- */

/* The thread state of @tid: it is in one of the lists of all interpreters. */
static uint64_t thread_state(const struct python_layout *l, uint64_t runtime, pid_t tid,
			     struct memory_reader memory)
{
	uint64_t interpreter = memory_pointer(memory, runtime, l->interpreters_head);
	for (unsigned int i = 0; interpreter != 0 && i < INTERPRETERS_MAX; i++) {
		uint64_t thread = memory_pointer(memory, interpreter, l->threads_head);
		for (unsigned int k = 0; thread != 0 && k < THREADS_MAX; k++) {
			if (memory_pointer(memory, thread, l->native_thread_id) == (uint64_t)tid)
				return thread;
			thread = memory_pointer(memory, thread, l->thread_next);
		}
		interpreter = memory_pointer(memory, interpreter, l->interpreter_next);
	}
	return 0;
}

static uint64_t current_frame(const struct python_layout *l, uint64_t thread,
			      struct memory_reader memory)
{
	const uint64_t frame = memory_pointer(memory, thread, l->current_frame);
	return l->frame_of_cframe == 0 ? frame : memory_pointer(memory, frame, l->frame_of_cframe);
}

#define OWNED_BY_CSTACK \
	3u /* _frameowner, 3.12 and later: no code of the program, an entry by itself */

static bool is_entry_frame(const struct python_layout *l, uint64_t frame,
			   struct memory_reader memory)
{
	uint8_t byte = 0;
	if (memory_read(memory, frame, l->is_entry != 0 ? l->is_entry : l->owner, &byte, 1) < 0)
		return true;
	return l->is_entry != 0 ? byte != 0 : byte == OWNED_BY_CSTACK;
}

static struct python_place place_of(const struct python_layout *l, uint64_t frame,
				    struct memory_reader memory)
{
	struct python_place place = { .code = memory_pointer(memory, frame, l->code) };
	const uint64_t at = memory_pointer(memory, frame, l->instruction);
	const uint64_t first = place.code + l->instructions;
	place.offset = at < first || at - first >= PYTHON_NOT_BEGUN ? PYTHON_NOT_BEGUN
								    : (uint32_t)(at - first);
	return place;
}

size_t python_walk(const struct python_layout *layout, uint64_t runtime, pid_t tid,
		   struct memory_reader memory, struct python_place *ret, size_t max)
{
	const uint64_t thread = thread_state(layout, runtime, tid, memory);
	uint64_t frame = thread == 0 ? 0 : current_frame(layout, thread, memory);
	size_t n = 0;
	for (unsigned int i = 0; frame != 0 && i < FRAMES_MAX && n < max; i++) {
		const bool is_entry = is_entry_frame(layout, frame, memory);
		if (layout->is_entry != 0 || !is_entry)
			ret[n++] = place_of(layout, frame, memory);
		if (is_entry && n > 0)
			ret[n - 1].is_entry = true;
		frame = memory_pointer(memory, frame, layout->previous);
	}
	return n;
}

/* ---- code objects ---- */

#define TEXT_KIND(state) (((state) >> 2) & 7u) /* bytes of a character */
#define TEXT_IS_COMPACT	 0x20u
#define TEXT_IS_ASCII	 0x40u

static uint32_t character_of(const uint8_t *bytes, unsigned int kind, size_t i)
{
	uint32_t c = 0;
	memcpy(&c, bytes + i * kind, kind); /* little endian, as x86-64 is */
	return c;
}

static void add_character(struct buf *to, uint32_t c)
{
	if (c < 0x80) {
		(void)buf_addc(to, (char)c);
		return;
	}
	const unsigned int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3; /* bytes of 6 bits */
	(void)buf_addc(to, (char)((0xff00u >> (more + 1)) | (c >> (6 * more))));
	for (unsigned int i = more; i > 0; i--)
		(void)buf_addc(to, (char)(0x80u | ((c >> (6 * (i - 1))) & 0x3fu)));
}

static int add_characters(struct buf *to, const uint8_t *bytes, unsigned int kind, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint32_t c = character_of(bytes, kind, i);
		if (c > 0x10ffff)
			return -EBADMSG;
		add_character(to, c);
	}
	return to->error;
}

/* The text object at @address. */
static int read_text(const struct python_layout *l, uint64_t address, struct memory_reader memory,
		     struct buf *ret)
{
	uint8_t bytes[TEXT_MAX * 4];
	uint64_t length;
	uint32_t state;
	if (memory_read(memory, address, l->text_length, &length, sizeof(length)) < 0 ||
	    memory_read(memory, address, l->text_state, &state, sizeof(state)) < 0)
		return -EFAULT;
	const unsigned int kind = TEXT_KIND(state);
	if (length == 0 || length > TEXT_MAX || (state & TEXT_IS_COMPACT) == 0 ||
	    (kind != 1 && kind != 2 && kind != 4))
		return -EBADMSG;
	const uint32_t at = (state & TEXT_IS_ASCII) != 0 ? l->ascii_text : l->other_text;
	if (memory_read(memory, address, at, bytes, (size_t)length * kind) < 0)
		return -EFAULT;
	return add_characters(ret, bytes, kind, (size_t)length);
}

static int read_bytes(const struct python_layout *l, uint64_t address, struct memory_reader memory,
		      struct buf *ret)
{
	uint8_t piece[4096];
	uint64_t size;
	if (memory_read(memory, address, l->bytes_size, &size, sizeof(size)) < 0)
		return -EFAULT;
	if (size > LINES_MAX)
		return -EBADMSG;
	for (uint64_t done = 0; done < size; done += sizeof(piece)) {
		const size_t n =
			size - done < sizeof(piece) ? (size_t)(size - done) : sizeof(piece);
		if (memory_read(memory, address + done, l->bytes, piece, n) < 0)
			return -EFAULT;
		(void)buf_add(ret, piece, n);
	}
	return ret->error;
}

int python_code_read(const struct python_layout *layout, uint64_t code, struct memory_reader memory,
		     struct python_code *ret)
{
	const struct python_layout *l = layout;
	buf_init(&ret->name, TEXT_BYTES_MAX);
	buf_init(&ret->file, TEXT_BYTES_MAX);
	buf_init(&ret->lines, LINES_MAX);
	if (memory_read(memory, code, l->first_line, &ret->first_line, sizeof(ret->first_line)) < 0)
		return -EFAULT;
	int r = read_text(l, memory_pointer(memory, code, l->name), memory, &ret->name);
	if (r >= 0)
		r = read_text(l, memory_pointer(memory, code, l->filename), memory, &ret->file);
	if (r >= 0)
		r = read_bytes(l, memory_pointer(memory, code, l->line_table), memory, &ret->lines);
	return r;
}

void python_code_done(struct python_code *code)
{
	buf_done(&code->name);
	buf_done(&code->file);
	buf_done(&code->lines);
}

/* ---- lines ---- */

/* The table is a run of entries (Objects/locations.md of CPython): a byte with bit 7 set, the kind of
 * entry in bits 3 to 6, the instructions it covers, less one, in bits 0 to 2; then what the kind has. Of
 * that only the difference of lines matters here: the other bytes have bit 7 clear. */
enum entry_kind {
	ENTRY_ONE_LINE = 10, /* 10 to 12: that many lines less ten further on */
	ENTRY_ONE_LINE_LAST = 12,
	ENTRY_NO_COLUMNS = 13,
	ENTRY_LONG = 14,
	ENTRY_NONE = 15,
};

/* A signed number of 6 bits a byte, the lowest first; bit 6: there is more; its lowest bit is the sign. */
static int signed_number(const uint8_t *bytes, size_t n)
{
	uint32_t value = 0;
	for (size_t i = 0, shift = 0; i < n && shift < 30; i++, shift += 6) {
		value |= (uint32_t)(bytes[i] & 0x3fu) << shift;
		if ((bytes[i] & 0x40u) == 0)
			break;
	}
	return (value & 1u) != 0 ? -(int)(value >> 1) : (int)(value >> 1);
}

static int line_difference(unsigned int kind, const uint8_t *rest, size_t n)
{
	if (kind >= ENTRY_ONE_LINE && kind <= ENTRY_ONE_LINE_LAST)
		return (int)kind - ENTRY_ONE_LINE;
	return kind == ENTRY_NO_COLUMNS || kind == ENTRY_LONG ? signed_number(rest, n) : 0;
}

int python_code_line(const struct python_code *code, uint32_t offset)
{
	const uint8_t *table = (const uint8_t *)code->lines.data;
	const size_t n = code->lines.len;
	int64_t line = code->first_line;
	uint64_t at = 0;
	if (offset == PYTHON_NOT_BEGUN)
		return code->first_line;
	for (size_t i = 0; i < n;) {
		const unsigned int kind = (table[i] >> 3) & 15u;
		const unsigned int units = (table[i] & 7u) + 1;
		size_t next = i + 1;
		while (next < n && (table[next] & 0x80u) == 0)
			next++;
		line += line_difference(kind, table + i + 1, next - i - 1);
		at += (uint64_t)units * UNIT_BYTES;
		if (offset < at)
			return kind == ENTRY_NONE || line <= 0 || line > INT32_MAX ? 0 : (int)line;
		i = next;
	}
	return 0;
}
