/* SPDX-License-Identifier: MIT */
/* Of the functions that were active where a thread slept, the one that says something. */
#include "userspace/collect/bpf/wait_channel.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Every sleep goes through the same few functions; the first one outside them tells what for. */
static bool is_plumbing(const char *name)
{
	static const char *const prefixes[] = {
		"schedule",
		"__schedule",
		"io_schedule",
		"preempt_schedule",
		"rt_mutex_schedule",
		"wait_for_completion",
		"wait_for_common",
		"__wait_for_common",
		"wait_woken",
		"bit_wait",
		"__wait_on_bit",
		"out_of_line_wait_on_bit",
		"0x",
	};
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

const char *wait_channel_name(char *line, uint64_t *ret_number)
{
	const char *number = strsep(&line, " ");
	const char *name, *innermost = NULL;
	char *end = NULL;
	const unsigned long long value = strtoull(number, &end, 10);

	if (end == number || *end != '\0')
		return NULL;
	while ((name = strsep(&line, " ")) != NULL) {
		if (*name == '\0')
			continue;
		if (innermost == NULL)
			innermost = name;
		if (!is_plumbing(name))
			break;
	}
	if (innermost != NULL)
		*ret_number = value;
	return name != NULL ? name : innermost;
}
