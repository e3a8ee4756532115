/* SPDX-License-Identifier: MIT */
/* The programs of call-frame information: what they say of RSP, RBP and the return address, row by row.
 * Only for row_table.c. */
#ifndef USERSPACE_STACKS_ROW_PROGRAM_H
#define USERSPACE_STACKS_ROW_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that are read from their beginning; none is read beyond the end. */
struct row_bytes {
	const uint8_t *at, *end;
	bool is_over; /* more was asked for than there is, or what cannot be read */
};

uint64_t row_bytes_number(struct row_bytes *b, size_t n); /* n: 1, 2, 4 or 8 */
uint64_t row_bytes_uleb(struct row_bytes *b);
int64_t row_bytes_sleb(struct row_bytes *b);
/* A pointer as @encoding (DW_EH_PE_*) has it; @address is that of the next byte. */
uint64_t row_bytes_pointer(struct row_bytes *b, uint8_t encoding, uint64_t address);

/* What entries have in common. */
struct row_common {
	uint64_t code_factor;
	int64_t data_factor;
	uint8_t encoding; /* of addresses */
	bool is_signal;
	bool has_data; /* entries have data of their own in front of their programs */
	struct row_bytes program;
};

/* Tells the rule (bpf/rows.h) from @address on. False ends it. */
typedef bool row_told(void *user, uint64_t address, uint32_t rule);

/* Runs both programs; @address is where the code of @entry begins. Where they make no sense any more the rule
 * is unknown. */
void row_program_run(const struct row_common *common, struct row_bytes entry, uint64_t address,
		     row_told *told, void *user);

#endif
