/* SPDX-License-Identifier: MIT */
/* A program whose call sites are known, as events: load_catalog and parse, both called by main. */
#ifndef TESTS_UNIT_HEAP_STORY_H
#define TESTS_UNIT_HEAP_STORY_H

/* Stacks: 1 main, 2 load_catalog in main, 3 malloc in load_catalog, 4 parse in main. */
#define HEAP_CODE                                                                           \
	"0 module /bin/app id=1 type=file\n0 module /lib/libc.so.6 id=2 type=file\n"        \
	"0 frame id=1 module=1 offset=16\n0 function main frame=1\n0 stack id=1 frame=1\n"  \
	"0 frame id=2 module=1 offset=32\n0 function load_catalog frame=2\n"                \
	"0 stack id=2 frame=2 caller=1\n"                                                   \
	"0 frame id=3 module=2 offset=48\n0 function malloc frame=3\n0 stack id=3 frame=3 " \
	"caller=2\n"                                                                        \
	"0 frame id=4 module=1 offset=64\n0 function parse frame=4\n0 stack id=4 frame=4 caller=1\n"
#define HEAP_BOTH  "0 meta source.bpf=ok\n0 meta source.shim=ok\n0 meta design.ready=accept\n"
#define HEAP_BEGIN HEAP_BOTH HEAP_CODE "0 meta design.heap=sample=100k\n"
#define HEAP_RUN   "0 mark 9 spawn\n1ms exec 9 /bin/app argv=app\n"

/* load_catalog has @catalog bytes of samples, parse 1 MB, until the end; @live is what was counted. */
#define HEAP_SITES(catalog, error, samples, live)                                                  \
	"4ms heap 9 ready since=1ms malloc=2300 live=" live " peak=" live " tree_peak=" live "\n"  \
	"4ms site 9 ready stack=3 since=1500us live=" catalog " live_blocks=230 live_error=" error \
	" live_samples=" samples "\n"                                                              \
	"4ms site 9 ready stack=4 since=1500us live=1000000 live_blocks=70 live_error=316228 "     \
	"live_samples=10\n"                                                                        \
	"9ms heap 9 exit since=1ms malloc=4100 live=" live " peak=" live " tree_peak=" live "\n"   \
	"9ms site 9 exit stack=3 since=1500us lifetime=200ms total=" catalog " total_blocks=240 "  \
	"total_error=" error " total_samples=" samples " live=" catalog                            \
	" live_blocks=230 live_error=" error " live_samples=" samples " peak=" catalog             \
	" peak_error=" error " tree_peak=" catalog " tree_peak_error=" error                       \
	" tree_peak_samples=" samples "\n"                                                         \
	"9ms site 9 exit stack=4 since=1500us total=2000000 total_blocks=140 total_error=447214 "  \
	"total_samples=20 live=1000000 live_blocks=70 live_error=316228 live_samples=10 "          \
	"peak=1000000 peak_error=316228 tree_peak=1000000 tree_peak_error=316228 "                 \
	"tree_peak_samples=10 temporary=1000000 temporary_blocks=70 temporary_error=316228 "       \
	"temporary_samples=10\n9ms exit 9 code=0\n"

#endif
