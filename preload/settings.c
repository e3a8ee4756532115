/* SPDX-License-Identifier: MIT */
/* Settings in, and out of sight. See settings.h. */
#include "preload/settings.h"

#include <elf.h>

#include "preload/sys.h"

/* Of variables, and of the user's LD_PRELOAD. */
enum { ENVIRONMENT_LIMIT = 65536, VALUE_LIMIT = 65536, N_OURS = 2 };

/* Of several the last. */
static char *variable_of(char *const *envp, const char *name)
{
	char *last = NULL;

	for (; *envp != NULL; envp++) {
		char *value = text_after(*envp, name);
		if (value != NULL)
			last = value;
	}
	return last;
}

static bool copy_text(char *to, size_t size, const char *from, size_t n)
{
	if (n == 0 || n >= size)
		return false;
	copy_bytes(to, from, n);
	to[n] = '\0';
	return true;
}

static const char *parse_flags(const char *at, unsigned int *ret)
{
	unsigned int flags = 0;

	for (; *at != ':'; at++) {
		if (*at >= '0' && *at <= '9')
			flags = flags * 16 + (unsigned int)(*at - '0');
		else if (*at >= 'a' && *at <= 'f')
			flags = flags * 16 + (unsigned int)(*at - 'a') + 10;
		else
			return NULL;
	}
	*ret = flags;
	return at + 1;
}

bool settings_read(char *const *envp, struct settings *ret)
{
	const char *value = envp == NULL ? NULL : variable_of(envp, SHIM_VARIABLE);
	const char *load = envp == NULL ? NULL : variable_of(envp, LOAD_VARIABLE);
	const char *directory = value == NULL ? NULL : parse_flags(value, &ret->flags);

	if (directory == NULL || directory[0] != '/' || load == NULL)
		return false;
	size_t shim_length = 0;
	while (load[shim_length] != '\0' && load[shim_length] != ':')
		shim_length++;
	if (!copy_text(ret->directory, sizeof(ret->directory), directory, text_length(directory)) ||
	    !copy_text(ret->shim, sizeof(ret->shim), load, shim_length))
		return false;

	const char *end = ret->load + sizeof(ret->load);
	(void)text_append(text_append(ret->load, end, LOAD_VARIABLE), end, ret->shim);
	/* Leading zeros are there to move the command's stack from run to run: not handed on. */
	while (value[0] == '0' && value[1] != ':')
		value++;
	end = ret->variable + sizeof(ret->variable);
	(void)text_append(text_append(ret->variable, end, SHIM_VARIABLE), end, value);
	return true;
}

static bool is_ours(const struct settings *settings, char *variable)
{
	char *value = text_after(variable, LOAD_VARIABLE);
	const char *rest = value == NULL ? NULL : text_after(value, settings->shim);

	return text_after(variable, SHIM_VARIABLE) != NULL ||
	       (rest != NULL && (*rest == ':' || *rest == '\0'));
}

/* /proc/PID/environ shows these bytes for as long as the process lives. */
static void wipe(char *text)
{
	while (*text != '\0')
		*text++ = '\0';
}

/* The region without the first @n_front and the last @n_back of @n variables. */
static struct settings_region region_of(char **envp, size_t n, size_t n_front, size_t n_back)
{
	if (n_front == n) /* at the very place where they were */
		return (struct settings_region){ envp[0], envp[0] };
	char *const last = envp[n - n_back - 1];
	return (struct settings_region){ envp[n_front], last + text_length(last) + 1 };
}

void settings_strip(const struct settings *settings, char **envp, struct settings_region *ret)
{
	size_t n = 0, n_front = 0, n_back = 0, n_kept = 0;

	*ret = (struct settings_region){ NULL, NULL };
	while (envp[n] != NULL)
		n++;
	while (n_front < n && is_ours(settings, envp[n_front]))
		n_front++;
	while (n_back < n - n_front && is_ours(settings, envp[n - 1 - n_back]))
		n_back++;
	if (n > 0)
		*ret = region_of(envp, n, n_front, n_back);
	for (size_t i = 0; i < n; i++) {
		char *const variable = envp[i];
		if (!is_ours(settings, variable)) {
			envp[n_kept++] = variable;
			continue;
		}
		if (i >= n_front && i < n - n_back)
			*ret = (struct settings_region){ NULL, NULL };
		wipe(variable);
	}
	for (size_t i = n_kept; i < n; i++)
		envp[i] = NULL;
	Elf64_auxv_t *gap = (Elf64_auxv_t *)(void *)&envp[n_kept + 1];
	for (size_t i = 0; (n - n_kept) % 2 == 0 && i < (n - n_kept) / 2; i++)
		gap[i] = (Elf64_auxv_t){ .a_type = AT_IGNORE };
}

bool settings_plan(char *const *envp, bool is_musl, struct reader *reader,
		   struct settings_plan *ret)
{
	struct settings_plan plan = { 0 };
	bool is_readable = true;

	for (;; plan.n++) {
		if (plan.n >= ENVIRONMENT_LIMIT ||
		    !reader_may_read(reader, &envp[plan.n], sizeof(*envp)))
			return false;
		const char *variable = envp[plan.n];
		if (variable == NULL)
			break;
		/* Another startline's variables, or ours already: left alone. */
		if (reader_after(reader, variable, SHIM_VARIABLE, &is_readable) != NULL)
			return false;
		const char *value = reader_after(reader, variable, LOAD_VARIABLE, &is_readable);
		if (!is_readable)
			return false;
		if (value != NULL)
			plan.users_load = value;
	}
	if (plan.users_load != NULL)
		plan.users_length = reader_length(reader, plan.users_load, VALUE_LIMIT);
	if (plan.users_length >= VALUE_LIMIT)
		return false;
	plan.is_in_front = is_musl && plan.users_load != NULL;
	*ret = plan;
	return true;
}

size_t settings_bytes(const struct settings *settings, const struct settings_plan *plan)
{
	const size_t n = plan->n + N_OURS + (plan->is_in_front ? N_OURS : 0) + 1;
	const size_t text =
		plan->users_load == NULL ? 0 : text_length(settings->load) + plan->users_length + 2;

	return n * sizeof(char *) + text;
}

static char *joined(const struct settings *settings, const struct settings_plan *plan, char *text)
{
	const size_t n = text_length(settings->load);

	/* Only ever read by execve. */
	if (plan->users_load == NULL)
		return (char *)(uintptr_t)settings->load;
	copy_bytes(text, settings->load, n);
	text[n] = ':';
	copy_bytes(text + n + 1, plan->users_load, plan->users_length);
	text[n + 1 + plan->users_length] = '\0';
	return text;
}

char **settings_add(const struct settings *settings, const struct settings_plan *plan,
		    char *const *envp, char *room)
{
	char **const copy = (char **)(void *)room;
	char **to = copy;
	char *const variable = (char *)(uintptr_t)settings->variable;
	char *const load = joined(settings, plan,
				  room + settings_bytes(settings, plan) -
					  (text_length(settings->load) + plan->users_length + 2));

	if (plan->is_in_front) {
		*to++ = variable;
		*to++ = load;
	}
	/* Counted before: another thread may be changing it. */
	for (size_t i = 0; i < plan->n && envp[i] != NULL; i++)
		*to++ = envp[i];
	*to++ = variable;
	*to++ = load;
	*to = NULL;
	return copy;
}
