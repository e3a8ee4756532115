/* SPDX-License-Identifier: MIT */
/* Makes the file "burst", waits for "go", and then allocates 2,000,003 blocks as fast as it can, of which it keeps
 * each thousandth. */
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { BLOCKS = 2000003, KEPT = 1000, PATIENCE = 1000 };

static void *kept[BLOCKS / KEPT + 1];

int main(void)
{
	const struct timespec nap = { .tv_nsec = 10 * 1000 * 1000 };
	(void)close(open("burst", O_CREAT | O_WRONLY, 0600));
	for (int i = 0; i < PATIENCE && access("go", F_OK) != 0; i++)
		(void)nanosleep(&nap, NULL);
	for (int i = 0; i < BLOCKS; i++) {
		void *volatile block = malloc(100);
		if (i % KEPT == 0)
			kept[i / KEPT] = block;
		else
			free(block);
	}
	return kept[0] == NULL;
}
