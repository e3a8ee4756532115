/* SPDX-License-Identifier: MIT */
/* A compressed document from a database that somebody else wrote: what the fuzzer makes up is
 * refused or unpacked, and what was packed comes out as it went in. The first two bytes are the
 * length that the database claims. */

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzzing.h"
#include "userspace/store/blob.h"

#define LIMIT ((size_t)1 << 20)

static void check_unpacking(const uint8_t *data, size_t size, size_t claim)
{
	struct buf plain;
	buf_init(&plain, LIMIT);
	if (blob_inflate(data, size, claim, &plain) == 0 && plain.len != claim)
		abort();
	buf_done(&plain);
}

static void check_round_trip(const uint8_t *data, size_t size)
{
	struct buf packed, plain;
	buf_init(&packed, LIMIT);
	buf_init(&plain, LIMIT);
	if (blob_deflate(data, size, &packed) == 0) {
		if (blob_inflate(packed.data, packed.len, size, &plain) < 0 || plain.len != size ||
		    memcmp(plain.data, data, size) != 0)
			abort();
		buf_clear(&plain);
		if (blob_inflate(packed.data, packed.len, size + 1, &plain) == 0)
			abort();
	}
	buf_done(&plain);
	buf_done(&packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	check_unpacking(data + 2, size - 2, (size_t)data[0] << 8 | data[1]);
	check_round_trip(data, size);
	return 0;
}
