/* SPDX-License-Identifier: MIT */
/* zlib and SHA-256 around a document. */

#include "userspace/store/blob.h"

#include <errno.h>
#include <sha256.h>
#include <stdint.h>

#include <zlib.h>

/* The densest that deflate can be (zlib's technical notes): a size beyond that is wrong. */
#define RATIO_MAX 1032

_Static_assert(BLOB_ID_BYTES == SHA256_DIGEST_STRING_LENGTH, "an id is a digest");

void blob_id(const void *data, size_t n, char id[static BLOB_ID_BYTES])
{
	(void)SHA256Data(data, n, id);
}

int blob_deflate(const void *data, size_t n, struct buf *ret)
{
	uLongf size = compressBound(n);
	int r = buf_reserve(ret, size);
	if (r < 0)
		return r;
	if (compress2((Bytef *)ret->data + ret->len, &size, data, n, Z_DEFAULT_COMPRESSION) != Z_OK)
		return -ENOMEM;
	ret->len += size;
	ret->data[ret->len] = '\0';
	return 0;
}

int blob_inflate(const void *data, size_t n, size_t n_plain, struct buf *ret)
{
	uLongf size = n_plain;
	if (n_plain / RATIO_MAX > n + 1)
		return -EBADMSG;
	int r = buf_reserve(ret, n_plain);
	if (r < 0)
		return r;
	const int rc = uncompress((Bytef *)ret->data + ret->len, &size, data, n);
	if (rc == Z_MEM_ERROR)
		return -ENOMEM;
	if (rc != Z_OK || size != n_plain)
		return -EBADMSG;
	ret->len += size;
	ret->data[ret->len] = '\0';
	return 0;
}
