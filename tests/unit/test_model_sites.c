/* SPDX-License-Identifier: MIT */
/* Call sites of the heap, from what the collector tells to what a session says. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/heap_story.h"
#include "tests/unit/stories.h"
#include "userspace/base/buf.h"

#define BOTH "0 meta source.bpf=ok\n0 meta source.shim=ok\n"
#define BEGIN          \
	BOTH HEAP_CODE \
		"0 meta design.heap=sample=1000\n0 mark 9 spawn\n1ms exec 9 /bin/app argv=app\n"

static const struct heap *heap_of(const struct session *s, int process)
{
	return &s->runs[0].processes[process - 1].heap;
}

static int64_t sum_of(const struct heap *heap, enum site_part part)
{
	int64_t sum = 0;
	for (size_t i = 0; i < heap->n_sites; i++)
		sum += heap->sites[i].sums[part].is_known ? heap->sites[i].sums[part].bytes : 0;
	return sum;
}

static const struct site_sum *site_in(const struct session *s, int process, const char *function,
				      enum site_part part)
{
	const struct heap *heap = heap_of(s, process);
	for (size_t i = 0; i < heap->n_sites; i++) {
		const struct stack *stack = session_stack(s, heap->sites[i].stack);
		const struct frame *f = stack != NULL ? session_frame(s, stack->frames[0]) : NULL;
		if (f == NULL ? function == NULL : function && strcmp(f->function, function) == 0)
			return &heap->sites[i].sums[part];
	}
	return NULL;
}

static void sites_add_up_to_what_was_counted(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN
		"4ms heap 9 ready since=1ms malloc=23 live=10007 peak=10007 tree_peak=10007\n"
		"4ms site 9 ready stack=3 since=1500us total=4000 total_blocks=41 total_error=2000 "
		"total_samples=4 live=3000 live_blocks=31 live_error=1732 live_samples=3\n"
		"4ms site 9 ready stack=4 since=1500us total=6000 total_blocks=61 total_error=2449 "
		"total_samples=6 live=6000 live_blocks=61 live_error=2449 live_samples=6\n"
		"9ms heap 9 exit since=1ms malloc=41 live=5003 peak=11003 tree_peak=11003\n"
		"9ms site 9 exit stack=3 since=1500us lifetime=200ms total=5000 total_blocks=50 "
		"total_error=2236 total_samples=5 live=3000 live_blocks=30 live_error=1732 "
		"live_samples=3 peak=4000 peak_error=2000 tree_peak=4000 tree_peak_error=2000 "
		"temporary=1000 temporary_error=1000 temporary_blocks=10 temporary_samples=1\n"
		"9ms site 9 exit stack=4 since=1500us total=6000 total_blocks=61 total_error=2449 "
		"total_samples=6 peak=6000 peak_error=2449 tree_peak=6000 tree_peak_error=2449\n"
		"9ms exit 9 code=0\n");
	const struct heap *heap = heap_of(s, 1);

	assert_true(heap->has_sites);
	assert_int_equal(heap->n_sites, 2);
	assert_int_equal(sum_of(heap, SITE_READY), 10007);
	assert_int_equal(sum_of(heap, SITE_EXIT), 5003);
	assert_int_equal(sum_of(heap, SITE_PEAK), 11003);
	assert_int_equal(sum_of(heap, SITE_TREE_PEAK), value_of(s, "heap.peak"));
	/* What no counter knows stays as it was estimated. */
	assert_int_equal(sum_of(heap, SITE_TOTAL), 11000);
	const struct site_sum *parse = site_in(s, 1, "parse", SITE_READY);
	assert_int_equal(parse->bytes, 6671);
	assert_int_equal(parse->samples, 6);
	assert_true(parse->low_bytes > 3000 && parse->low_bytes < 4500);
	assert_true(parse->high_bytes > 8500 && parse->high_bytes < 9500);
	assert_int_equal(site_in(s, 1, "parse", SITE_EXIT)->bytes, 0);
	/* 20 blocks were freed. */
	assert_int_equal(heap->sites[0].lifetime_ns, 10000000);
	assert_int_equal(site_in(s, 1, "malloc", SITE_TEMPORARY)->bytes, 1000);
	(void)session_free(s);
}

/* Of several threads counters bound the peak; what was live when a block was sampled was there. */
static void what_was_told_with_samples_is_a_peak_as_far_as_counters_let_it(void **state)
{
	(void)state;
	static const struct {
		int told;
		int64_t peak, error;
	} stories[] = {
		{ 0, 1000, 500 }, { 900, 1000, 500 }, { 1200, 1200, 300 }, { 9999, 1500, 0 }
	};
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		char text[1024];
		(void)snprintf(text, sizeof(text),
			       BEGIN
			       "9ms heap 9 exit since=1ms malloc=41 live=700 peak=1000 "
			       "peak_error=500 tree_peak=1000\n"
			       "9ms site 9 exit stack=3 since=1500us image_peak=%d total=5000 "
			       "total_error=500 total_samples=5 peak=600 peak_error=100\n"
			       "9ms exit 9 code=0\n",
			       stories[i].told);
		struct session *s = build(text);
		const struct heap *heap = heap_of(s, 1);
		assert_int_equal(heap->peak_bytes, stories[i].peak);
		assert_int_equal(heap->peak_error_bytes, stories[i].error);
		assert_int_equal(sum_of(heap, SITE_PEAK), stories[i].peak);
		(void)session_free(s);
	}
}

/* The first image's total counts, but it has nothing at the end, and the peak is not its. */
static void images_of_a_process_add_up_but_for_what_is_live(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN
		"5ms heap 9 exec since=1ms malloc=5 live=700 peak=900 tree_peak=900\n"
		"5ms exec 9 /bin/app argv=app\n"
		"9ms heap 9 exit since=6ms malloc=3 live=2000 peak=2000 tree_peak=2000\n"
		"9ms exit 9 code=0\n"
		"5ms site 9 exec stack=2 since=2ms total=900 total_error=300 live=700 "
		"live_error=265 peak=900 peak_error=300\n"
		"9ms site 9 exit stack=4 since=7ms total=1000 total_error=1000 live=1000 "
		"live_error=1000 peak=1000 peak_error=1000 tree_peak=1000 tree_peak_error=1000\n");
	const struct heap *heap = heap_of(s, 1);

	assert_int_equal(sum_of(heap, SITE_TOTAL), 1900);
	assert_int_equal(site_in(s, 1, "load_catalog", SITE_EXIT)->bytes, 0);
	assert_int_equal(site_in(s, 1, "load_catalog", SITE_PEAK)->bytes, 0);
	assert_int_equal(site_in(s, 1, "parse", SITE_EXIT)->bytes, 2000);
	assert_int_equal(site_in(s, 1, "parse", SITE_PEAK)->bytes, 2000);
	assert_false(site_in(s, 1, "parse", SITE_READY)->is_known);
	(void)session_free(s);
}

static void what_no_sample_met_is_a_site_without_samples(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN "2ms task 10 parent=9\n"
			    "9ms heap 9 exit since=1ms malloc=5 live=701 peak=907 tree_peak=1500\n"
			    "9ms heap 10 exit since=2ms malloc=3 live=500 peak=503 tree_peak=1500\n"
			    "9ms site 10 exit stack=0 since=3ms total=400 total_samples=1 live=400 "
			    "live_samples=1 peak=400 tree_peak=400 tree_peak_samples=1\n"
			    "9ms exit 10 code=0\n9ms exit 9 code=0\n");
	assert_int_equal(heap_of(s, 1)->n_sites, 1);
	assert_int_equal(sum_of(heap_of(s, 1), SITE_EXIT), 701);
	assert_int_equal(heap_of(s, 1)->sites[0].sums[SITE_EXIT].samples, 0);
	assert_int_equal(heap_of(s, 1)->sites[0].stack, UNKNOWN);
	/* Seen whole, without a stack; and the rest. */
	assert_int_equal(heap_of(s, 2)->n_sites, 2);
	assert_int_equal(heap_of(s, 2)->sites[0].sums[SITE_EXIT].bytes, 400);
	assert_int_equal(sum_of(heap_of(s, 2), SITE_EXIT), 500);
	assert_int_equal(sum_of(heap_of(s, 1), SITE_TREE_PEAK) +
				 sum_of(heap_of(s, 2), SITE_TREE_PEAK),
			 value_of(s, "heap.peak"));
	(void)session_free(s);
}

static void without_sampling_there_are_no_sites(void **state)
{
	(void)state;
	struct session *s = build(
		BOTH "0 meta design.heap=count\n0 mark 9 spawn\n1ms exec 9 /x argv=x\n"
		     "9ms heap 9 exit since=1ms malloc=5 live=701 peak=907\n9ms exit 9 code=0\n");
	assert_false(heap_of(s, 1)->has_sites);
	assert_int_equal(heap_of(s, 1)->sites_cut, UNKNOWN);
	(void)session_free(s);
}

static void too_many_sites_are_one_without_a_stack(void **state)
{
	(void)state;
	char text[256];
	struct buf story = { .limit = (size_t)4 << 20 };
	assert_int_equal(buf_adds(&story, BEGIN), 0);
	for (int i = 0; i < 3001; i++) {
		(void)snprintf(text, sizeof(text),
			       "0 frame id=%d module=1 offset=%d\n0 stack id=%d frame=%d\n"
			       "9ms site 9 exit stack=%d since=2ms total=%d live=%d\n",
			       100 + i, 1000 + i, 100 + i, 100 + i, 100 + i, 10000 + i, 10000 + i);
		assert_int_equal(buf_adds(&story, text), 0);
	}
	assert_int_equal(buf_adds(&story, "9ms heap 9 exit since=1ms malloc=5 live=40000000 "
					  "peak=40000000\n9ms exit 9 code=0\n"),
			 0);
	struct session *s = build(buf_str(&story));
	const struct heap *heap = heap_of(s, 1);
	assert_int_equal(heap->sites_cut, 3001 - 2048);
	assert_int_equal(heap->n_sites, 2048 + 2);
	assert_int_equal(sum_of(heap, SITE_EXIT), 40000000);
	assert_int_equal(sum_of(heap, SITE_TOTAL), 3001 * 10000 + 3000 * 3001 / 2);
	(void)session_free(s);
	buf_done(&story);
}

/* A leaf called by 41 functions, each of them by 97 others. */
static void small_sites_keep_their_innermost_frames(void **state)
{
	(void)state;
	enum { MIDDLE = 41, OUTER = 97 };
	char text[256];
	struct buf story = { .limit = (size_t)4 << 20 };
	assert_int_equal(buf_adds(&story, BEGIN "0 frame id=50 module=1 offset=50\n"
						"0 function frame=50 depth=0 name=leaf\n"),
			 0);
	for (int i = 0; i < MIDDLE; i++) {
		(void)snprintf(text, sizeof(text), "0 frame id=%d module=1 offset=%d\n", 100 + i,
			       1000 + i);
		assert_int_equal(buf_adds(&story, text), 0);
	}
	for (int i = 0; i < MIDDLE * OUTER; i++) {
		const int at = 1000 + 10 * i;
		(void)snprintf(
			text, sizeof(text),
			"0 frame id=%d module=1 offset=%d\n0 stack id=%d frame=%d\n"
			"0 stack id=%d frame=%d caller=%d\n0 stack id=%d frame=50 caller=%d\n"
			"9ms site 9 exit stack=%d since=2ms total=1000 live=1000\n",
			at, 9000 + i, at, at, at + 1, 100 + i % MIDDLE, at, at + 2, at + 1, at + 2);
		assert_int_equal(buf_adds(&story, text), 0);
	}
	assert_int_equal(buf_adds(&story, "9ms heap 9 exit since=1ms malloc=5 live=3977000 "
					  "peak=3977000\n9ms exit 9 code=0\n"),
			 0);
	struct session *s = build(buf_str(&story));
	const struct heap *heap = heap_of(s, 1);
	size_t n_cut = 0;
	/* All weigh the same: of 20 functions in the middle each call is a row, and 88 of another's. The last row is
	 * what no sample stands for at the peak. */
	assert_int_equal(heap->sites_cut, (MIDDLE - 20) * OUTER - 88);
	assert_int_equal(heap->n_sites, 20 * OUTER + 88 + MIDDLE - 20 + 1);
	assert_int_equal(sum_of(heap, SITE_EXIT), 3977000);
	for (size_t i = 0; i + 1 < heap->n_sites; i++) {
		const struct stack *stack = session_stack(s, heap->sites[i].stack);
		assert_non_null(stack);
		assert_int_equal(stack->n_frames, stack->is_cut ? 2 : 3);
		assert_string_equal(session_frame(s, stack->frames[0])->function, "leaf");
		n_cut += stack->is_cut;
	}
	assert_int_equal(n_cut, MIDDLE - 20);
	(void)session_free(s);
	buf_done(&story);
}

static void what_a_function_holds_is_a_metric(void **state)
{
	(void)state;
	struct session *s = build(
		BOTH HEAP_CODE
		"0 meta design.heap=sample=1000\n0 meta ready=accept\n0 mark 9 spawn\n"
		"1ms exec 9 /bin/app argv=app\n"
		"2ms net 9 listen sock=1 addr=127.0.0.1:80\n"
		"3ms net 9 accept_ready sock=1 addr=127.0.0.1:80 how=epoll\n"
		"4ms heap 9 ready since=1ms malloc=23 live=10000 peak=10000\n"
		"4ms site 9 ready stack=3 since=1500us live=6000 live_error=2449 live_samples=6\n"
		"4ms site 9 ready stack=4 since=1500us live=4000 live_error=2000 live_samples=4\n"
		"9ms heap 9 exit since=1ms malloc=41 live=0 peak=10000\n9ms exit 9 code=0\n");
	assert_int_equal(value_of(s, "heap.site[load_*]"), 6000);
	assert_int_equal(value_of(s, "heap.site[main]"), 10000);
	assert_int_equal(value_of(s, "heap.site[app!parse]"), 4000);
	assert_true(isnan(value_of(s, "heap.site[other]")));
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sites_add_up_to_what_was_counted),
		cmocka_unit_test(what_was_told_with_samples_is_a_peak_as_far_as_counters_let_it),
		cmocka_unit_test(images_of_a_process_add_up_but_for_what_is_live),
		cmocka_unit_test(what_no_sample_met_is_a_site_without_samples),
		cmocka_unit_test(what_a_function_holds_is_a_metric),
		cmocka_unit_test(without_sampling_there_are_no_sites),
		cmocka_unit_test(too_many_sites_are_one_without_a_stack),
		cmocka_unit_test(small_sites_keep_their_innermost_frames),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
