/* SPDX-License-Identifier: MIT */
/* Computes for MILLISECONDS of its own CPU time and ends. Known answer: that much cpu. */
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
	const long long want_ns = (argc > 1 ? atoll(argv[1]) : 41) * 1000000ll;
	struct timespec t = { 0 };

	while (t.tv_sec * 1000000000ll + t.tv_nsec < want_ns)
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return 0;
}
