/* SPDX-License-Identifier: MIT */
/* Numbers with units, printed and read. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/units.h"

static void check_ns(double ns, const char *expected)
{
	char text[UNITS_BYTES];
	assert_string_equal(format_ns(text, ns), expected);
}

static void check_bytes(double n_bytes, const char *expected)
{
	char text[UNITS_BYTES];
	assert_string_equal(format_bytes(text, n_bytes), expected);
}

static void check_percent(double ratio, const char *plain, const char *with_sign)
{
	char text[UNITS_BYTES];
	assert_string_equal(format_percent(text, ratio), plain);
	assert_string_equal(format_percent_signed(text, ratio), with_sign);
}

static void times_have_three_digits(void **state)
{
	(void)state;
	check_ns(0, "0 ns");
	check_ns(812, "812 ns");
	check_ns(812345, "812 us");
	check_ns(1400, "1.40 us");
	check_ns(14200000, "14.2 ms");
	check_ns(456e6, "456 ms");
	check_ns(1.4e9, "1.40 s");
	check_ns(75e9, "75.0 s");
	check_ns(7200e9, "7200 s");
	check_ns(-1.4e9, "-1.40 s");
}

static void rounding_moves_to_the_next_unit_and_digit(void **state)
{
	(void)state;
	check_ns(999499, "999 us");
	check_ns(999500, "1.00 ms");
	check_ns(999999999, "1.00 s");
	check_ns(9994e3, "9.99 ms");
	check_ns(9995e3, "10.0 ms");
	check_ns(99.95e6, "100 ms");
	check_ns(0.4, "0.40 ns");
	check_ns(8.2134, "8.21 ns");
	check_ns(-23.5, "-23.5 ns");
	check_ns(812.4, "812 ns");
	check_ns(8, "8 ns");
	check_ns(-0.004, "0.00 ns");
}

static void missing_is_a_dash_and_not_zero(void **state)
{
	(void)state;
	char text[UNITS_BYTES];
	check_ns((double)NAN, "-");
	check_bytes((double)INFINITY, "-");
	check_percent((double)NAN, "-", "-");
	assert_string_equal(format_count(text, (double)NAN), "-");
}

static void sizes_are_decimal(void **state)
{
	(void)state;
	check_bytes(0, "0 B");
	check_bytes(812, "812 B");
	check_bytes(8.5e6, "8.5 MB");
	check_bytes(123456789, "123 MB");
	check_bytes(99.96e6, "100 MB");
	check_bytes(1.2e9, "1.2 GB");
	check_bytes(64000, "64.0 kB");
	check_bytes(-2.4e6, "-2.4 MB");
}

static void counts_are_whole_unless_they_are_not(void **state)
{
	(void)state;
	char text[UNITS_BYTES];
	assert_string_equal(format_count(text, 3412), "3412");
	assert_string_equal(format_count(text, -7), "-7");
	assert_string_equal(format_count(text, 3412.5), "3412.5");
	assert_string_equal(format_count(text, 0.0341), "0.0341");
}

static void ratios_are_percentages(void **state)
{
	(void)state;
	check_percent(0.8, "80.0 %", "+80.0 %");
	check_percent(1.5, "150 %", "+150 %");
	check_percent(-0.1, "-10.0 %", "-10.0 %");
	check_percent(0.0001, "0.0 %", "0.0 %");
	check_percent(-0.0001, "0.0 %", "0.0 %");
}

static void absurd_values_fit_the_buffer(void **state)
{
	(void)state;
	char text[UNITS_BYTES];
	assert_true(strlen(format_ns(text, -1.7e308)) < UNITS_BYTES);
	assert_true(strlen(format_bytes(text, -1.7e308)) < UNITS_BYTES);
	assert_true(strlen(format_count(text, -1.7e308)) < UNITS_BYTES);
	assert_true(strlen(format_percent_signed(text, -1.7e306)) < UNITS_BYTES);
}

static void whole_numbers_are_read_strictly(void **state)
{
	(void)state;
	uint64_t u = 7;
	assert_int_equal(parse_u64("0", &u), 0);
	assert_int_equal(u, 0);
	assert_int_equal(parse_u64("18446744073709551615", &u), 0);
	assert_true(u == UINT64_MAX);
	u = 7;
	assert_int_equal(parse_u64("18446744073709551616", &u), -ERANGE);
	assert_int_equal(parse_u64("", &u), -EINVAL);
	assert_int_equal(parse_u64(" 1", &u), -EINVAL);
	assert_int_equal(parse_u64("1 ", &u), -EINVAL);
	assert_int_equal(parse_u64("+1", &u), -EINVAL);
	assert_int_equal(parse_u64("-1", &u), -EINVAL);
	assert_int_equal(parse_u64("0x1", &u), -EINVAL);
	assert_int_equal(u, 7);
}

static void signed_numbers_reach_both_ends(void **state)
{
	(void)state;
	int64_t i = 7;
	assert_int_equal(parse_i64("-9223372036854775808", &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(parse_i64("9223372036854775807", &i), 0);
	assert_true(i == INT64_MAX);
	assert_int_equal(parse_i64("9223372036854775808", &i), -ERANGE);
	assert_int_equal(parse_i64("--1", &i), -EINVAL);
	assert_int_equal(parse_i64("-", &i), -EINVAL);
	assert_true(i == INT64_MAX);
}

static void doubles_are_finite_decimals(void **state)
{
	(void)state;
	double d = 7;
	assert_int_equal(parse_double("-0.5", &d), 0);
	assert_true(d == -0.5);
	assert_int_equal(parse_double("1e9", &d), 0);
	assert_true(d == 1e9);
	assert_int_equal(parse_double("1e999", &d), -ERANGE);
	assert_int_equal(parse_double("nan", &d), -EINVAL);
	assert_int_equal(parse_double("inf", &d), -EINVAL);
	assert_int_equal(parse_double("0x10", &d), -EINVAL);
	assert_int_equal(parse_double(" 1", &d), -EINVAL);
	assert_int_equal(parse_double("", &d), -EINVAL);
	assert_int_equal(parse_double("1.2.3", &d), -EINVAL);
	assert_int_equal(parse_double("-", &d), -EINVAL);
	assert_true(d == 1e9);
}

static void check_duration(const char *s, uint64_t expected_ns)
{
	uint64_t ns = 0;
	assert_int_equal(parse_duration(s, &ns), 0);
	assert_true(ns == expected_ns);
}

static void durations_have_units_and_default_to_seconds(void **state)
{
	(void)state;
	check_duration("5s", 5000000000);
	check_duration("5", 5000000000);
	check_duration("0", 0);
	check_duration("150ms", 150000000);
	check_duration("1.5 s", 1500000000);
	check_duration("0.1", 100000000);
	check_duration("2m", 120000000000);
	check_duration("180 seconds", 180000000000);
	check_duration("1h", 3600000000000);
	check_duration("2d", 172800000000000);
	check_duration("250 us", 250000);
	check_duration("17ns", 17);
	check_duration("18446744073709551615 ns", UINT64_MAX);
}

static void bad_durations_are_refused(void **state)
{
	(void)state;
	uint64_t ns = 7;
	static const char *const bad[] = { "",	  "s",	  "-5s", "5 parsecs", "5  s", " 5s",
					   "5s ", "5. s", ".5s", "5 ",	      "1e3",  "5ss" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_duration(bad[i], &ns), -EINVAL);
	assert_int_equal(parse_duration("18446744073709551616 ns", &ns), -ERANGE);
	assert_int_equal(parse_duration("18446744073710 s", &ns), -ERANGE);
	assert_true(ns == 7);
}

static void check_size(const char *s, uint64_t expected_bytes)
{
	uint64_t n_bytes = 0;
	assert_int_equal(parse_bytes(s, &n_bytes), 0);
	assert_true(n_bytes == expected_bytes);
}

static void sizes_know_both_kinds_of_units(void **state)
{
	(void)state;
	check_size("4096", 4096);
	check_size("7 B", 7);
	check_size("64K", 65536);
	check_size("512k", 524288);
	check_size("2 GiB", 2147483648);
	check_size("1 GB", 1000000000);
	check_size("1.5 MB", 1500000);
	check_size("1.5MiB", 1572864);
	check_size("64kB", 64000);
	uint64_t n_bytes = 7;
	assert_int_equal(parse_bytes("64Q", &n_bytes), -EINVAL);
	assert_int_equal(parse_bytes("-1", &n_bytes), -EINVAL);
	assert_int_equal(parse_bytes("20000000 TiB", &n_bytes), -ERANGE);
	assert_true(n_bytes == 7);
}

static void what_is_printed_can_be_read_back(void **state)
{
	(void)state;
	char text[UNITS_BYTES];
	check_duration(format_ns(text, 14200000), 14200000);
	check_duration(format_ns(text, 1.4e9), 1400000000);
	check_size(format_bytes(text, 8.5e6), 8500000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_have_three_digits),
		cmocka_unit_test(rounding_moves_to_the_next_unit_and_digit),
		cmocka_unit_test(missing_is_a_dash_and_not_zero),
		cmocka_unit_test(sizes_are_decimal),
		cmocka_unit_test(counts_are_whole_unless_they_are_not),
		cmocka_unit_test(ratios_are_percentages),
		cmocka_unit_test(absurd_values_fit_the_buffer),
		cmocka_unit_test(whole_numbers_are_read_strictly),
		cmocka_unit_test(signed_numbers_reach_both_ends),
		cmocka_unit_test(doubles_are_finite_decimals),
		cmocka_unit_test(durations_have_units_and_default_to_seconds),
		cmocka_unit_test(bad_durations_are_refused),
		cmocka_unit_test(sizes_know_both_kinds_of_units),
		cmocka_unit_test(what_is_printed_can_be_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
