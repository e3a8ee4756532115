/* SPDX-License-Identifier: MIT */
/* What the readers share: gathering samples under ids, text, units, JSON. */
#ifndef USERSPACE_FOREIGN_INTERNAL_H
#define USERSPACE_FOREIGN_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/base/id_map.h"
#include "userspace/base/units.h"
#include "userspace/base/vec.h"
#include "userspace/foreign/foreign.h"
#include "userspace/model/document/json_tree.h"
#include "userspace/model/metrics.h"
#include "userspace/model/session.h"

/* --- the readers: see struct foreign --------------------------------------------------------- */

struct gathering;
#define FOREIGN_READER(name)                                \
	bool name##_sniff(const char *text, size_t length); \
	void name##_read(struct gathering *g, const char *text, size_t length)
#define FOREIGN_JSON_READER(name)                           \
	bool name##_sniff(const char *text, size_t length); \
	void name##_read(struct gathering *g, const cJSON *json)
#define FOREIGN_DIRECTORY_READER(name)       \
	bool name##_knows(const char *path); \
	void name##_read(struct gathering *g)
FOREIGN_JSON_READER(hyperfine);
FOREIGN_JSON_READER(pytest);
FOREIGN_DIRECTORY_READER(pytest_tree);
FOREIGN_DIRECTORY_READER(criterion);
FOREIGN_JSON_READER(gbench);
FOREIGN_READER(go);
FOREIGN_JSON_READER(k6);
FOREIGN_READER(junit);
FOREIGN_JSON_READER(vitest);
FOREIGN_JSON_READER(tinybench);
FOREIGN_JSON_READER(jmh);
FOREIGN_JSON_READER(dotnet);
FOREIGN_JSON_READER(asv);
FOREIGN_JSON_READER(bmf);
FOREIGN_READER(go_json);
FOREIGN_READER(catch2);
FOREIGN_READER(perf_stat);
FOREIGN_READER(gnu_time);
FOREIGN_READER(hyperfine_csv);
FOREIGN_READER(gbench_csv);
FOREIGN_READER(rows_csv);
FOREIGN_READER(rows_json);

/* What a package, NULL where the output tells it, printed with its benchmarks. */
void go_read_output(struct gathering *g, const char *package, const char *text, size_t length);
bool go_is_benchmark(const char *name);

/* How long a line may be, where a limit is needed; a name and so an id. */
#define FOREIGN_MAX_LINE ((size_t)64 << 10)
#define FOREIGN_MAX_NAME ((size_t)4096)
/* Most tools write seconds. */
#define NS ((double)NS_PER_S)

/* --- gathering ------------------------------------------------------------------------------- */

/* Samples come in any order and are put together by id: several of one id are its values. The first
 * failure is logged, stays in .error, and makes all that follows do nothing; gather_finish()
 * returns it. */
struct gathered {
	const char *id; /* interned */
	struct metric like;
	struct gathered_values VEC(double) values;
	struct gathered_processes VEC(double) processes; /* none: as the reader's row says */
	bool is_summary;
	struct summary summary;
};
struct gathering {
	const char *path;
	struct session *session;
	enum samples samples;
	int error;
	struct id_map index; /* id's address -> item */
	struct gathered_list VEC(struct gathered) items;
	size_t n_values;
};

void gather_init(struct gathering *g, const char *path, struct session *session);
void gather_done(struct gathering *g);

/* What a metric is when the table does not know its id. */
extern const struct metric like_time;  /* ns, lower */
extern const struct metric like_size;  /* bytes, lower */
extern const struct metric like_count; /* a number without direction, by statistics */

/* "@stem[@name]", interned; @name NULL or "": "@stem". NULL after an error. */
const char *gather_id(struct gathering *g, const char *stem, const char *name);
/* The same of "@stem.@what". */
const char *gather_id_below(struct gathering *g, const char *stem, const char *what,
			    const char *name);
/* @id, or NULL and an error when there are samples of it already. */
const char *gather_once(struct gathering *g, const char *id);
/* What was put together with the limit FOREIGN_MAX_NAME. NULL after an error, which it may be. */
const char *gather_name(struct gathering *g, const struct buf *name);

/* One sample; not finite: not captured. */
void gather_value(struct gathering *g, const char *id, const struct metric *like, double value);
/* All numbers of an array: null and JMH's "NaN" are not captured, anything else is an error. */
void gather_values(struct gathering *g, const char *id, const struct metric *like,
		   const cJSON *values, double scale);
/* The next @n samples of @id, which there are, are of one process. */
void gather_process(struct gathering *g, const char *id, double n);
/* The statistics of a metric that has no samples, to be filled in: all NAN, the second time as they
 * were left. NULL after an error, and when there are samples. Valid until the next call. */
struct summary *gather_summary(struct gathering *g, const char *id, const struct metric *like);
bool gather_has(struct gathering *g, const char *id);

/* A line for the reader of the report. */
void gather_note(struct gathering *g, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* An error with its place: "'path': line 3: what". Sets .error to -EBADMSG. */
void gather_fail(struct gathering *g, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void gather_no_memory(struct gathering *g);
/* Copies into the session. NULL and "" are NULL. */
const char *gather_text(struct gathering *g, const char *text);
const char *gather_textn(struct gathering *g, const char *text, size_t n);
void gather_command(struct gathering *g, const char *command);
void gather_cpus(struct gathering *g, double n);

/* Tests and their suite. A time of 0 is none: tools write it for what they did not measure, or could
 * not with the digits that they print. A test that was skipped took no time, whatever is said. */
struct test {
	double time_ns; /* NAN: not given */
	bool is_failed, is_skipped;
};
struct suite {
	double time_ns; /* of the whole; NAN: not given */
	size_t n_tests, n_failed, n_skipped;
};
void gather_test(struct gathering *g, struct suite *suite, const char *name,
		 const struct test *test);
/* Behind the tests: suite.time ... and a note. Nothing when there were none. */
void gather_suite(struct gathering *g, const char *tool, const struct suite *suite);

/* Puts everything into the session. -ENODATA, logged, when there is nothing. */
int gather_finish(struct gathering *g);

/* --- text ------------------------------------------------------------------------------------ */

/* The next line from *at on, without its end, which moves *at; false: there is none. */
bool foreign_line(const char **at, const char *end, const char **ret, size_t *ret_length);
/* Ends each word of @line with a NUL. Returns how many there are, at most @most. */
size_t foreign_words(char *line, char **ret, size_t most);
/* A number that people read: "1234.5" or "1,234.5". */
bool foreign_number(const char *text, double *ret);
/* How many that is; 0: it is no number of things. */
size_t foreign_count(double value);
/* @words ends with NULL. */
bool foreign_is_one_of(const char *word, const char *const *words);
bool foreign_holds(const char *text, size_t length, const char *word);
/* The first byte that is no blank; 0: none. */
char foreign_first_byte(const char *text, size_t length);

/* --- units ----------------------------------------------------------------------------------- */

/* What "ms", "KiB", "ns/op", "req/s" or "%" is, and what to multiply with to get ns, bytes, ... An
 * unknown unit is a count of it, where less is better; of what is per second more is better. */
struct foreign_unit {
	struct metric like;
	double scale;
};
struct foreign_unit foreign_unit(const char *text);

/* --- JSON ------------------------------------------------------------------------------------ */

/* Parses; bare NaN and Infinity, which several tools write, are null. NULL after an error. */
cJSON *foreign_json_parse(struct gathering *g, const char *text, size_t length);
/* The same of a file; NULL, too, when there is none. */
cJSON *foreign_json_load(struct gathering *g, const char *path);
static inline void foreign_json_free(cJSON **json)
{
	cJSON_Delete(*json);
}

/* The member, or NULL. */
const cJSON *foreign_json_get(const cJSON *object, const char *key);
/* The same when it is an object, whose members have names; those of an array have none. */
const cJSON *foreign_json_object(const cJSON *object, const char *key);
/* NAN and NULL where it is missing or something else. */
double foreign_json_number(const cJSON *object, const char *key);
const char *foreign_json_text(const cJSON *object, const char *key);

/* Whether the document is an object with that member, whose value begins with @opening (0: any).
 * Looks at the beginning only and needs no valid JSON. */
bool foreign_json_sniff(const char *text, size_t length, const char *key, char opening);
/* Whether {"A": {"B": {"KEY": is how it begins, where that is @depth 3. */
bool foreign_json_begins(const char *text, size_t length, size_t depth, const char *key);

#endif
