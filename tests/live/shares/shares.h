/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIVE_SHARES_H
#define TESTS_LIVE_SHARES_H

#ifdef __cplusplus
extern "C" {
#endif

#define GROUP_FUNCTIONS 7u
typedef unsigned long burn_function(unsigned int which, unsigned long steps);
burn_function own_burn, lib_burn;
/* As reports name what has the time. */
extern const char *const own_names[GROUP_FUNCTIONS], *const lib_names[GROUP_FUNCTIONS];

#ifdef __cplusplus
}
#endif

#endif
