/* SPDX-License-Identifier: MIT */
/* Before it listens load_catalog() allocates 2,003 blocks of 3,000 bytes. A while later serve() keeps 4,001 of 5,000
 * and frees as many at once, and 1,000 of the first ones go. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { CATALOG = 2003, SERVED = 4001, DROPPED = 1000 };

static void *catalog[CATALOG], *served[SERVED];

__attribute__((noinline)) static void load_catalog(void)
{
	for (int i = 0; i < CATALOG; i++) {
		catalog[i] = malloc(3000);
		if (catalog[i] != NULL)
			memset(catalog[i], 1, 3000);
	}
}

__attribute__((noinline)) static void serve(void)
{
	for (int i = 0; i < SERVED; i++) {
		void *volatile block = malloc(5000);
		served[i] = malloc(5000);
		if (served[i] != NULL)
			memset(served[i], 1, 5000);
		free(block);
	}
}

static void nap(void)
{
	const struct timespec t = { .tv_nsec = 300 * 1000 * 1000 };
	(void)nanosleep(&t, NULL);
}

int main(void)
{
	const struct sockaddr_in any = { .sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	load_catalog();
	const int s = socket(AF_INET, SOCK_STREAM, 0);
	if (s < 0 || bind(s, (const struct sockaddr *)&any, sizeof(any)) < 0 || listen(s, 5) < 0)
		return 1;
	nap();
	serve();
	for (int i = 0; i < DROPPED; i++)
		free(catalog[i]);
	nap();
	return 0;
}
