/* SPDX-License-Identifier: MIT */
/* Settings in, and out of sight. See settings.h. */
#include "preload/settings.h"

#include "preload/sys.h"

enum { ENVIRONMENT_LIMIT = 4096, VALUE_LIMIT = 4096 };

static char *variable_of(char *const *envp, const char *name)
{
	for (; *envp != NULL; envp++) {
		char *value = text_after(*envp, name);
		if (value != NULL)
			return value;
	}
	return NULL;
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
	end = ret->variable + sizeof(ret->variable);
	(void)text_append(text_append(ret->variable, end, SHIM_VARIABLE), end, value);
	return true;
}

/* What the user had in LD_PRELOAD behind our own entry; NULL: it begins with something else. An
 * empty string that was set stays an empty string: it then follows a colon. */
static char *users_part(const struct settings *settings, char *value, bool *ret_had_one)
{
	char *rest = text_after(value, settings->shim);

	if (rest == NULL || (*rest != ':' && *rest != '\0'))
		return NULL;
	*ret_had_one = *rest == ':';
	return *rest == ':' ? rest + 1 : rest;
}

/* /proc/PID/environ shows these bytes for as long as the process lives. */
static void wipe(char *from, const char *end)
{
	while (from < end)
		*from++ = '\0';
}

void settings_strip(const struct settings *settings, char **envp)
{
	char **to = envp;

	for (char **from = envp; *from != NULL; from++) {
		bool keep = text_after(*from, SHIM_VARIABLE) == NULL &&
			    text_after(*from, PAD_VARIABLE) == NULL;
		char *value = text_after(*from, LOAD_VARIABLE);
		bool had_one = false;
		char *rest = value == NULL ? NULL : users_part(settings, value, &had_one);
		if (rest != NULL && had_one) {
			const size_t n = text_length(rest);
			copy_bytes(value, rest, n + 1);
			wipe(value + n + 1, rest + n);
		} else if (rest != NULL) {
			keep = false;
		}
		if (keep)
			*to++ = *from;
		else
			wipe(*from, *from + text_length(*from));
	}
	*to = NULL;
}

size_t settings_room(const struct settings *settings, char *const *envp, size_t *ret_text)
{
	size_t n = 0;

	if (envp == NULL)
		return 0;
	*ret_text = 0;
	for (; envp[n] != NULL; n++) {
		/* Another startline's variables, or ours already: left alone. */
		if (n >= ENVIRONMENT_LIMIT || text_after(envp[n], SHIM_VARIABLE) != NULL)
			return 0;
		const char *value = text_after(envp[n], LOAD_VARIABLE);
		if (value == NULL || *ret_text != 0)
			continue;
		*ret_text = text_length(settings->load) + 1 + text_length(value) + 1;
		if (*ret_text > VALUE_LIMIT)
			return 0;
	}
	return n + 3;
}

void settings_add(const struct settings *settings, char *const *envp, char **copy, char *text)
{
	const char *load = settings->load;
	bool is_placed = false;

	for (; *envp != NULL; envp++) {
		const char *value = text_after(*envp, LOAD_VARIABLE);
		if (value != NULL && !is_placed) {
			const size_t n = text_length(load);
			copy_bytes(text, load, n);
			text[n] = ':';
			copy_bytes(text + n + 1, value, text_length(value) + 1);
			*copy++ = text;
			is_placed = true;
		} else {
			*copy++ = *envp;
		}
	}
	/* Only ever read by execve: the strings outlive it. */
	if (!is_placed)
		*copy++ = (char *)(uintptr_t)load;
	*copy++ = (char *)(uintptr_t)settings->variable;
	*copy = NULL;
}
