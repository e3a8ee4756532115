/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_UNITS_H
#define STARTLINE_BASE_UNITS_H
/*
 * Numbers with units, printed for people and read from options and configuration.
 *
 * The format functions write into a buffer of UNITS_BYTES that the caller owns and return it, so
 * they can stand among printf arguments:
 *
 *	char text[UNITS_BYTES];
 *	printf("ready in %s\n", format_ns(text, ready_ns));
 *
 * NAN and infinities print as "-": not captured is not zero. Values may be negative (differences).
 *
 * The parse functions take the whole string: leading or trailing blanks, a sign where none is
 * meant, or rubbish after the number are -EINVAL; too large is -ERANGE. *ret is untouched then.
 * They log nothing.
 */

#include <stddef.h>
#include <stdint.h>

#define UNITS_BYTES 40

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

/* Three digits: "0 ns", "812 us", "14.2 ms", "456 ms", "1.40 s", "7200 s". Below 1 us: "812 ns",
 * and "8.21 ns" of what is not whole. */
char *format_ns(char text[static UNITS_BYTES], double ns);
/* Two significant digits, three from 100 on: "8.1 ms", "26 ms". */
char *format_ns_short(char text[static UNITS_BYTES], double ns);

/* Decimal units, one decimal below 100: "812 B", "8.5 MB", "123 MB", "1.2 GB". */
char *format_bytes(char text[static UNITS_BYTES], double n_bytes);

/* "3412"; "3412.5" when it is not whole (a mean). */
char *format_count(char text[static UNITS_BYTES], double count);

/* A ratio as percent, one decimal below 100 %: 0.8 is "80.0 %", 1.5 is "150 %". The signed form
 * is for changes: "+3.2 %", "-10.0 %", "0.0 %". */
char *format_percent(char text[static UNITS_BYTES], double ratio);
char *format_percent_signed(char text[static UNITS_BYTES], double ratio);

/* Decimal digits only; i64 also takes one leading '-'. Leading zeroes are fine. */
int parse_u64(const char *s, uint64_t *ret);
int parse_i64(const char *s, int64_t *ret);

/* A finite decimal number: "12", "-0.5", "1e9". No hexadecimal, no "inf", no "nan". */
int parse_double(const char *s, double *ret);

/* "5s", "150ms", "1.5 s", "2m", "1h"; units ns, us, ms, s/sec/second(s), m/min/minute(s),
 * h/hour(s), d/day(s). Without a unit: seconds. The result is in nanoseconds; a fraction is rounded. */
int parse_duration(const char *s, uint64_t *ret_ns);

/* "64K", "2 GiB", "1.5 MB", "4096". kB/KB, MB, GB, TB are powers of 1000; KiB, MiB, GiB, TiB and
 * the bare letters K/k, M, G, T are powers of 1024, as in GNU head -c. No unit or B: bytes. */
int parse_bytes(const char *s, uint64_t *ret_bytes);

/* How often something is done: "off" is -1, "auto" 0, else how many times a second, from 1 to @max.
 * -EINVAL, -ERANGE. */
int parse_rate(const char *s, int max, int *ret_hz);

#endif
