/* SPDX-License-Identifier: MIT */
/* Runs base and head interleaved until the verdict is certain (gate/sequence.h). The engine of `ab`, and
 * of what `check` confirms and bisects with. */
#ifndef USERSPACE_CMD_AB_H
#define USERSPACE_CMD_AB_H

#include "userspace/cmd/waiting.h"
#include "userspace/collect/run/collect.h"
#include "userspace/gate/judge.h"
#include "userspace/gate/sequence.h"

#define AB_PAIRS 30

struct ab_arm {
	char *const *argv;     /* NULL-terminated */
	const char *directory; /* NULL: the current one */
};

struct ab_spec {
	struct collect_spec record; /* how; command, directory, arm and numbers are filled in */
	struct ab_arm base, head;
	/* Instead of running base: head alone is run, until it is certain how it compares with this. There
	 * is no control then; good for `git bisect`, where it all happens on one machine. Or NULL. */
	struct session *measured_base;
	struct text_list gate;	/* ids of the metrics that are judged, together; at least one */
	const char *trace_path; /* of the recording; NULL: where recordings are kept */
	uint64_t seed;
	/* A metric is settled, too, that for certain is not as much worse as this (`git bisect` asks for
	 * no more); 0: it is not. */
	double good_below;
	size_t max_pairs;	/* 0: AB_PAIRS */
	uint64_t max_time_ns;	/* no pair begins after that; 0: no limit */
	struct waiting waiting; /* what progress is called; times are filled in */
};

enum ab_end {
	AB_DECIDED,	/* each metric of the gate has its verdict */
	AB_OPEN,	/* not each, but all pairs were run */
	AB_OUT_OF_TIME, /* … or the time was over */
	AB_INTERRUPTED, /* by `signal` */
	AB_FAILED,	/* the command crashed, timed out, or ended before it was ready */
	AB_CANNOT_RUN,	/* … or could not be executed */
};

/* What came out, of the pairs that were complete. */
struct ab_result {
	enum ab_end end;
	int signal;	  /* AB_INTERRUPTED */
	char reason[256]; /* one line, why it ended before it was decided; "" */
	uint64_t
		enough_s; /* AB_OUT_OF_TIME before the first look: what it takes until then; or 0 */
	struct session *base, *head,
		*control;	       /* base is measured_base if there is one; NULL: none */
	struct comparison *comparison; /* NULL: no pair was complete */
	size_t pairs, repeats;	       /* repeats: of pairs that the machine disturbed */
	uint64_t seed;
	bool is_base_borrowed;
};

/* Negative errno, logged: startline failed; -EINVAL: there is no such metric. What a command does is no
 * failure but an end, and `reason` says it. Free the result either way. */
int ab_run(const struct ab_spec *spec, struct ab_result *ret);
void ab_result_done(struct ab_result *r);

/* The result as what judge_scenario() takes and, in @ret_outcome, how it came about; ret->comparison is
 * NULL where nothing was measured. Sessions and comparison stay the result's, @label is borrowed, texts
 * are in @arena. -ENOMEM, logged. */
int ab_evidence(const struct ab_result *r, const char *label, struct arena *arena,
		struct against *ret, struct outcome *ret_outcome);
/* … and judged, by the levels of baselines: a judgement for each metric of the gate. */
int ab_judge(const struct ab_spec *spec, const struct ab_result *r, const char *scenario,
	     const char *base_name, struct arena *arena, struct outcome *ret);

/* How many bytes to pad @arm's stack with in a run, so that both arms find it at places drawn from the
 * same ones: arguments and program of the arms may differ in length. */
size_t ab_pad(struct random *random, const struct ab_arm *arm, const struct ab_arm *other);

#endif
