/* SPDX-License-Identifier: MIT */
/* Clears its environment and runs a shell command through libc. Known answer: prints "here" twice
 * and returns 3. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

int main(void)
{
	char line[16] = "";

	if (clearenv() != 0 || system("echo here") != 0)
		return 1;
	FILE *child = popen("echo here; exit 3", "r");
	if (child == NULL || fgets(line, sizeof(line), child) == NULL)
		return 1;
	(void)fputs(line, stdout);
	return WEXITSTATUS(pclose(child));
}
