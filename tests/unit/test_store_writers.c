/* SPDX-License-Identifier: MIT */
/* Many processes write one store and are killed while they do: what was committed stays, whole.
 *
 * STARTLINE_TEST_STORE: a store's URL (else SQLite in a directory of its own);
 * STARTLINE_TEST_WRITERS (4), STARTLINE_TEST_KILLS (20): how many. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_store.h"
#include "userspace/base/clock.h"
#include "userspace/base/random.h"
#include "userspace/base/units.h"
#include "userspace/base/vec.h"

#define ID_BYTES    65
#define WRITERS_MAX 64
/* Of writing between two kills: long enough for some commits. */
#define PAUSE_MAX_MS 60

struct id {
	char text[ID_BYTES];
};

struct writers {
	const char *url;
	size_t n;
	pid_t pids[WRITERS_MAX];
	int64_t next; /* no two writers store the same */
	int ends[2];  /* every line: an id that was committed */
	struct ids VEC(struct id) committed;
};

static size_t asked(const char *variable, size_t otherwise)
{
	uint64_t n = 0;
	const char *text = getenv(variable);
	return text != NULL && parse_u64(text, &n) == 0 ? (size_t)n : otherwise;
}

/* Does not return. A line is shorter than PIPE_BUF, so it is written whole or not at all. */
static void write_for_ever(const char *url, int output, int64_t first)
{
	struct store *st = NULL;
	if (store_open(url, true, &st) < 0)
		_exit(1);
	for (int64_t i = first;; i++) {
		struct session *s = sample_measured((double)i);
		struct store_entry ret;
		if (store_put(st, s, NULL, &ret) < 0)
			_exit(2);
		char line[ID_BYTES + 1];
		(void)snprintf(line, sizeof(line), "%s\n", ret.id);
		if (write(output, line, ID_BYTES) != ID_BYTES)
			_exit(3);
		(void)session_free(s);
	}
}

static void start(struct writers *w, size_t i)
{
	w->next += 1000000;
	w->pids[i] = fork();
	assert_true(w->pids[i] >= 0);
	if (w->pids[i] == 0) {
		log_set_sink(NULL, NULL);
		write_for_ever(w->url, w->ends[1], w->next);
	}
}

/* A writer ends only because it is killed: whatever else ends it is a failure. */
static void stop(struct writers *w, size_t i)
{
	int status = 0;
	assert_int_equal(kill(w->pids[i], SIGKILL), 0);
	assert_int_equal(waitpid(w->pids[i], &status, 0), w->pids[i]);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* For so long; -1: until the pipe is empty. */
static void collect(struct writers *w, int for_ms)
{
	const uint64_t from = clock_ns(CLOCK_MONOTONIC);
	for (;;) {
		const uint64_t passed = (clock_ns(CLOCK_MONOTONIC) - from) / NS_PER_MS;
		struct pollfd wait = { .fd = w->ends[0], .events = POLLIN };
		const int left = for_ms < 0 ? 0 : for_ms - (int)passed;
		if (left < 0 || poll(&wait, 1, left) <= 0)
			return;
		struct id id;
		assert_int_equal(read(w->ends[0], id.text, ID_BYTES), ID_BYTES);
		id.text[ID_BYTES - 1] = '\0';
		assert_int_equal(vec_push(&w->committed, id), 0);
	}
}

static int add_up(void *context, const char *scenario, const char *host_class, int64_t n_sessions,
		  int64_t latest_ns)
{
	(void)scenario;
	(void)host_class;
	(void)latest_ns;
	*(size_t *)context += (size_t)n_sessions;
	return 0;
}

static void check(const struct writers *w, size_t n_kills)
{
	struct store *st = NULL;
	struct trend *t = NULL;
	size_t n = 0;
	assert_int_equal(store_open(w->url, false, &st), 0);
	vec_foreach(id, &w->committed) {
		struct session *s = NULL;
		assert_int_equal(store_get(st, id->text, &s), 0);
		(void)session_free(s);
	}
	assert_int_equal(store_scenarios(st, add_up, &n), 0);
	/* Killed between the commit and telling: one more for each kill at most. */
	assert_true(n >= w->committed.n);
	assert_true(n <= w->committed.n + n_kills + w->n);
	/* No session without its points, no point without its session. */
	assert_int_equal(
		store_trend(st, "./server --verbose", "sha256:host", "startup.ready", 0, &t), 0);
	assert_int_equal(t->n_points, n);
	(void)trend_free(t);
	(void)store_close(st);
	print_message("# %zu writers, %zu kills, %zu committed, none lost\n", w->n, n_kills,
		      w->committed.n);
}

static void kills_lose_no_committed_run(void **state)
{
	(void)state;
	const char *url = getenv("STARTLINE_TEST_STORE");
	struct writers w = { .url = url != NULL ? url : "x.db",
			     .n = asked("STARTLINE_TEST_WRITERS", 4) };
	const size_t n_kills = asked("STARTLINE_TEST_KILLS", 20);
	struct random random;
	random_seed(&random, 23);
	assert_in_range(w.n, 1, WRITERS_MAX);
	assert_int_equal(pipe(w.ends), 0);
	for (size_t i = 0; i < w.n; i++)
		start(&w, i);
	/* At least one has begun to write. */
	while (w.committed.n == 0)
		collect(&w, PAUSE_MAX_MS);
	for (size_t k = 0; k < n_kills; k++) {
		const size_t i = random_below(&random, w.n);
		collect(&w, (int)random_below(&random, PAUSE_MAX_MS));
		stop(&w, i);
		start(&w, i);
	}
	for (size_t i = 0; i < w.n; i++)
		stop(&w, i);
	collect(&w, -1);
	check(&w, n_kills);
	(void)close(w.ends[0]);
	(void)close(w.ends[1]);
	vec_done(&w.committed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kills_lose_no_committed_run, sample_store_start,
						sample_store_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
