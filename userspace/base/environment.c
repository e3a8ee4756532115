/* SPDX-License-Identifier: MIT */
#include "userspace/base/environment.h"

#include <stdlib.h>
#include <string.h>

extern char **environ;

bool environment_is_same(const char *a, const char *b)
{
	const size_t n = strcspn(a, "=");
	return strncmp(a, b, n) == 0 && b[n] == '=';
}

const char *environment_find(char *const *environment, const char *name)
{
	const size_t n = strlen(name);
	if (environment == NULL)
		environment = environ;
	for (; environment != NULL && *environment != NULL; environment++) {
		if (strncmp(*environment, name, n) == 0 && (*environment)[n] == '=')
			return *environment + n + 1;
	}
	return NULL;
}

static size_t count(char *const *list)
{
	size_t n = 0;
	while (list != NULL && list[n] != NULL)
		n++;
	return n;
}

static void put(char **list, size_t *n, char *variable)
{
	for (size_t i = 0; i < *n; i++) {
		if (environment_is_same(variable, list[i])) {
			list[i] = variable;
			return;
		}
	}
	list[(*n)++] = variable;
}

bool environment_is_ci(void)
{
	const char *ci = environment_find(NULL, "CI");
	return ci != NULL && ci[0] != '\0';
}

char **environment_with(char *const *environment, char *const *added)
{
	if (environment == NULL)
		environment = environ;
	size_t n = count(environment);
	char **merged = calloc(n + count(added) + 1, sizeof(*merged));
	if (merged == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++)
		merged[i] = environment[i];
	for (; added != NULL && *added != NULL; added++)
		put(merged, &n, *added);
	return merged;
}
