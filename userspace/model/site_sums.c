/* SPDX-License-Identifier: MIT */
/* See site_sums.h. */
#include "userspace/model/site_sums.h"

#include <math.h>

#include "userspace/base/stats.h"

/* Effective samples; with fewer there is nothing that could stand for what is missing. */
#define LEAST_SAMPLES 0.5

void site_mass_add(struct site_mass *mass, const struct site_sum *sum)
{
	if (!sum->is_known || sum->bytes == UNKNOWN)
		return;
	const double error = sum->error_bytes == UNKNOWN ? 0 : (double)sum->error_bytes;
	mass->bytes += (double)sum->bytes;
	mass->sampled += sum->sampled_bytes == UNKNOWN ? 0 : (double)sum->sampled_bytes;
	mass->variance += error * error;
}

struct site_interval site_share_interval(const struct site_mass *part,
					 const struct site_mass *whole)
{
	const double seen = part->bytes - part->sampled;
	if ((part->bytes > 0 && !(part->sampled > 0)) || !(whole->variance > 0) ||
	    !(whole->sampled > 0))
		return (struct site_interval){ part->bytes, part->bytes };
	const double share = fmin(part->sampled / whole->sampled, 1);
	const double rest = fmax(whole->variance - part->variance, 0);
	const double variance =
		((1 - share) * (1 - share) * part->variance + share * share * rest) /
		(whole->sampled * whole->sampled);
	double n = whole->sampled * whole->sampled / whole->variance;
	if (share > 0 && share < 1 && variance > 0)
		n = share * (1 - share) / variance;
	const struct stats_interval i = stats_share_interval(share, n);
	return (struct site_interval){ seen + whole->sampled * i.low,
				       seen + whole->sampled * i.high };
}

struct site_interval site_sum_interval(const struct site_mass *mass)
{
	const double seen = mass->bytes - mass->sampled;
	if (!(mass->sampled > 0) || !(mass->variance > 0))
		return (struct site_interval){ mass->bytes, mass->bytes };
	const double weight = mass->variance / mass->sampled;
	const struct stats_interval i = stats_count_interval(mass->sampled / weight);
	return (struct site_interval){ seen + weight * i.low, seen + weight * i.high };
}

static void scale(struct site_mass *mass, double factor)
{
	mass->sampled *= factor;
	mass->variance *= factor * factor;
}

double site_masses_share_out(struct site_mass *masses, size_t n, double every, double exact)
{
	double bytes = 0, sampled = 0, variance = 0;
	for (size_t i = 0; i < n; i++) {
		masses[i].sampled = fmin(masses[i].bytes, masses[i].variance / every);
		bytes += masses[i].bytes;
		sampled += masses[i].sampled;
		variance += masses[i].variance;
	}
	if (isnan(exact))
		return 0;
	const double seen = bytes - sampled;
	const bool can_stand = sampled > 0 && sampled * sampled >= LEAST_SAMPLES * variance;
	if (can_stand && exact >= seen) {
		const double factor = (exact - seen) / sampled;
		for (size_t i = 0; i < n; i++) {
			masses[i].bytes += (factor - 1) * masses[i].sampled;
			scale(&masses[i], factor);
		}
		return 0;
	}
	if (exact >= bytes)
		return exact - bytes;
	for (size_t i = 0; i < n; i++) {
		masses[i].bytes *= exact / bytes;
		scale(&masses[i], exact / bytes);
	}
	return 0;
}
