/* SPDX-License-Identifier: MIT */
/* Documents as the store keeps them: compressed, and named by what is in them. */
#ifndef USERSPACE_STORE_BLOB_H
#define USERSPACE_STORE_BLOB_H

#include <stddef.h>

#include "userspace/base/buf.h"

#define BLOB_ID_BYTES 65 /* SHA-256 in hexadecimal, and a NUL */

void blob_id(const void *data, size_t n, char id[static BLOB_ID_BYTES]);

/* Appends the compressed form (zlib, RFC 1950). -ENOMEM, or the buffer's error. */
int blob_deflate(const void *data, size_t n, struct buf *ret);

/* Appends the @n_plain bytes that @data was made of; @ret's limit bounds them. -EBADMSG when it was
 * not made by blob_deflate() or n_plain is wrong. */
int blob_inflate(const void *data, size_t n, size_t n_plain, struct buf *ret);

#endif
