/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LIVE_SHARES_H
#define TESTS_LIVE_SHARES_H

#define GROUP_FUNCTIONS 7u
typedef unsigned long burn_function(unsigned int which, unsigned long steps);
burn_function own_burn, lib_burn;

#endif
