/* SPDX-License-Identifier: MIT */
/* What fuzzers share. */
#ifndef TESTS_FUZZ_FUZZING_H
#define TESTS_FUZZ_FUZZING_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "userspace/base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void silence(enum log_level level, const char *message, void *user)
{
	(void)level;
	(void)message;
	(void)user;
}

/* As memory_limit.h does where there is no sanitizer: a large allocation fails. */
const char *__asan_default_options(void);
inline const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1:max_allocation_size_mb=64";
}

/* Text for a terminal must not hold a control byte. */
static inline void check_text(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const unsigned char c = (unsigned char)text[i];
		if (c >= 0x7f || (c < 0x20 && c != '\n'))
			abort();
	}
}

#endif
