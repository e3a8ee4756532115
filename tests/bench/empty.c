/* SPDX-License-Identifier: MIT */
/* Nothing: what preloading costs by itself, before a shim has done anything. */
extern int startline_bench_empty;
int startline_bench_empty;
