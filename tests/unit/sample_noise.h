/* SPDX-License-Identifier: MIT */
/* Machines that make noise of known kinds, for simulations of what is claimed about real ones. */
#ifndef TESTS_UNIT_SAMPLE_NOISE_H
#define TESTS_UNIT_SAMPLE_NOISE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "userspace/base/random.h"

/* The sanitizers look at the code, for which a hundredth of the trials will do; how often things
 * happen is asserted by the plain build. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHARE 100
#else
#define SHARE 1
#endif

#define SIGMA 0.03

enum { MOST_METRICS = 40, MOST_PAIRS = 30 };

/* Noise of 3 % that real machines make: see docs/statistics.md. */
enum noise { GAUSS, SKEW, OUTLIERS, BIMODAL, DRIFT, AUTOREGRESSIVE, SESSION, NOISES };
static const char *const noise_names[] = { "gauss",    "skew",	    "outliers", "bimodal",
					   "drift 8%", "AR(1) 0.7", "session" };

struct machine {
	struct random random;
	enum noise noise;
	double previous[MOST_METRICS]; /* AUTOREGRESSIVE */
	double session;	    /* SESSION: the same for all arms, since they are interleaved */
	size_t run, n_runs; /* DRIFT */
};

/* A factor around 1 for a metric of the run under way. */
static inline double factor(struct machine *m, size_t metric)
{
	struct random *r = &m->random;
	const double z = random_normal(r);
	switch (m->noise) {
	case GAUSS:
	case NOISES:
		break;
	case SKEW:
		return exp(fabs(z) * SIGMA * 1.6 - 0.6 * SIGMA);
	case OUTLIERS:
		if (random_uniform(r) < 0.1)
			return (1 + SIGMA * z) * (1.1 + 0.5 * random_uniform(r));
		break;
	case BIMODAL:
		return (1 + SIGMA * z) * (random_uniform(r) < 0.3 ? 1.08 : 1);
	case DRIFT:
		return (1 + SIGMA * z) * (1 + 0.08 * (double)m->run / (double)m->n_runs);
	case AUTOREGRESSIVE:
		m->previous[metric] = 0.7 * m->previous[metric] + sqrt(1 - 0.49) * SIGMA * z;
		return 1 + m->previous[metric];
	case SESSION:
		return (1 + SIGMA * z) * (1 + m->session);
	}
	return 1 + SIGMA * z;
}

static inline void machine_init(struct machine *m, enum noise noise)
{
	*m = (struct machine){ .noise = noise };
	random_seed(&m->random, 1000 + (uint64_t)noise);
}

static inline void machine_begin(struct machine *m, size_t max_pairs)
{
	memset(m->previous, 0, sizeof(m->previous));
	m->session = SIGMA * random_normal(&m->random);
	m->run = 0;
	m->n_runs = 2 * max_pairs + max_pairs / 3;
}

static inline double percent(size_t n, size_t trials)
{
	return 100.0 * (double)n / (double)trials;
}

#endif
