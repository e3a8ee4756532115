/* SPDX-License-Identifier: MIT */
/* All rows of call-frame information of one file, compiled: the collector writes such a table, and the shim
 * looks up in it how a frame is left. One file each, "rows-<build-id>", of
 *
 *   struct sl_rows   header
 *   __u32            pages[n_pages + 1]: the row that the first byte of each SL_ROWS_PAGE bytes of code is in
 *   struct sl_row    rows[n_rows], by start; the first has start 0
 *
 * Only RSP, RBP and the return address are followed: that is enough for over 99.9 % of what compilers make.
 * A row that needs more is SL_RULE_UNKNOWN. No index is believed: sl_rows_find() stays inside whatever the
 * table says, once sl_rows_fits() held. */
#ifndef SL_ROWS_H
#define SL_ROWS_H

#include <linux/types.h>

#define SL_ROWS_MAGIC	0x73776f722d746c73ull /* "slt-rows" */
#define SL_ROWS_VERSION 1u
#define SL_ROWS_PREFIX	"rows-"
#define SL_ROWS_CACHE \
	"rows" /* in the session's directory: leads to where more are, named by build-id alone */
#define SL_ROWS_SHIFT	  9
#define SL_ROWS_PAGE	  (1u << SL_ROWS_SHIFT)
#define SL_ROWS_MAX	  (1u << 22) /* libLLVM has 861,000 */
#define SL_ROWS_CODE_MAX  (1u << 31) /* bytes of code in a file */
#define SL_BUILD_ID_BYTES 24u

/* How a frame is left: a kind, where the caller's RBP is, and the CFA's offset in words. */
enum sl_rule {
	SL_RULE_UNKNOWN = 0,
	SL_RULE_RSP = 1,     /* CFA = RSP + offset */
	SL_RULE_RBP = 2,     /* CFA = RBP + offset */
	SL_RULE_AT_RBP = 3,  /* CFA = what stands at RBP - offset; RBP was saved at RBP */
	SL_RULE_END = 4,     /* it is the outermost frame */
	SL_RULE_CONTEXT = 5, /* all registers are in the signal's context at RSP */
};

#define SL_RULE_KIND(rule)	    ((rule)&7u)
#define SL_RULE_SAVED(rule)	    ((rule) >> 3 & 1023u) /* words below the CFA; or: */
#define SL_RULE_WORDS(rule)	    ((rule) >> 13)
#define SL_RULE_WORDS_MAX	    ((1u << 19) - 1)
#define SL_SAVED_NOT		    0u	  /* RBP is the caller's still */
#define SL_SAVED_LOST		    1023u /* it cannot be told */
#define SL_RULE(kind, saved, words) ((__u32)(kind) | (__u32)(saved) << 3 | (__u32)(words) << 13)

struct sl_row {
	__u32 start; /* bytes behind sl_rows.start; up to that of the next row */
	__u32 rule;
};

struct sl_rows {
	__u64 magic;
	__u32 version;
	__u32 bytes;  /* of the file */
	__u64 check;  /* sum of all that follows this word */
	__u64 start;  /* where the code begins, as symbols count */
	__u32 length; /* bytes of code */
	__u32 n_rows;
	__u32 n_pages;
	__u32 n_build_id;
	__u8 build_id[SL_BUILD_ID_BYTES];
};

_Static_assert(sizeof(struct sl_rows) == 72, "laid out as it is told");

static inline const __u32 *sl_rows_pages(const struct sl_rows *table)
{
	return (const __u32 *)(const void *)(table + 1);
}

static inline const struct sl_row *sl_rows_rows(const struct sl_rows *table)
{
	return (const struct sl_row *)(const void *)(sl_rows_pages(table) + table->n_pages + 1);
}

/* Whether @n bytes of memory are a table that may be searched. */
static inline int sl_rows_fits(const struct sl_rows *table, __u64 n)
{
	return n >= sizeof(*table) && table->magic == SL_ROWS_MAGIC &&
	       table->version == SL_ROWS_VERSION && table->n_rows >= 1 &&
	       table->n_rows <= SL_ROWS_MAX && table->length <= SL_ROWS_CODE_MAX &&
	       table->n_pages == (table->length + SL_ROWS_PAGE - 1) / SL_ROWS_PAGE &&
	       table->n_build_id <= SL_BUILD_ID_BYTES &&
	       n == sizeof(*table) + ((__u64)table->n_pages + 1) * sizeof(__u32) +
			       (__u64)table->n_rows * sizeof(struct sl_row) &&
	       n == table->bytes;
}

/* The rule at @address, as symbols count. */
static inline __u32 sl_rows_find(const struct sl_rows *table, __u64 address)
{
	const __u64 at = address - table->start;
	const struct sl_row *rows = sl_rows_rows(table);

	if (at >= table->length)
		return SL_RULE_UNKNOWN;
	const __u32 *page = sl_rows_pages(table) + (at >> SL_ROWS_SHIFT);
	__u32 low = page[0];
	__u32 high = page[1];
	if (high >= table->n_rows)
		high = table->n_rows - 1;
	if (low > high)
		low = high;
	/* The last one that does not begin behind it. */
	while (low < high) {
		const __u32 middle = high - (high - low) / 2;
		if (rows[middle].start <= at)
			low = middle;
		else
			high = middle - 1;
	}
	return rows[low].rule;
}

#endif
