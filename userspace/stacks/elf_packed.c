/* SPDX-License-Identifier: MIT */
/* Unpacked in pieces, so that what a hostile file grows to is seen in time. */
#include "userspace/stacks/elf_packed.h"

#include <stdlib.h>

#include <lzma.h>

#include "userspace/base/cleanup.h"

#define MEMORY_MAX ((uint64_t)80 << 20) /* xz -9 needs 65 MiB */
enum { PIECE = 64 << 10 };

/* Appends what @packed is; false: it is damaged, or too much. */
static bool unpack(const uint8_t *packed, size_t n, struct buf *ret)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret r = lzma_stream_decoder(&stream, MEMORY_MAX, 0);
	stream.next_in = packed;
	stream.avail_in = n;
	while (r == LZMA_OK && buf_reserve(ret, PIECE) == 0) {
		stream.next_out = (uint8_t *)ret->data + ret->len;
		stream.avail_out = PIECE;
		r = lzma_code(&stream, LZMA_FINISH);
		ret->len += PIECE - stream.avail_out;
	}
	lzma_end(&stream);
	if (ret->data != NULL)
		ret->data[ret->len] = '\0';
	return r == LZMA_STREAM_END;
}

bool elf_unpack(const struct elf_image *image, struct buf *ret_data, struct elf_image *ret)
{
	const Elf64_Shdr *section = elf_image_section(image, ".gnu_debugdata");
	if (section == NULL || section->sh_size == 0 || section->sh_size > PACKED_MAX)
		return false;
	_cleanup_free_ uint8_t *packed = malloc(section->sh_size);
	buf_init(ret_data, UNPACKED_MAX);
	if (packed == NULL ||
	    !elf_image_read(image, section->sh_offset, packed, section->sh_size) ||
	    !unpack(packed, section->sh_size, ret_data))
		return false;
	*ret = (struct elf_image){ .fd = -1,
				   .data = (const uint8_t *)ret_data->data,
				   .n = ret_data->len,
				   .elf = elf_memory(ret_data->data, ret_data->len) };
	return ret->elf != NULL;
}
