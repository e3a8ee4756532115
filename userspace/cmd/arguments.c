/* SPDX-License-Identifier: MIT */
/* Looks through the options before argp does. What is right or ambiguous is left to it. */

#include "userspace/cmd/arguments.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/log.h"
#include "userspace/base/nearest.h"

/* More than any command has. */
#define OPTIONS_MAX ((size_t)96)
#define WORD_BYTES  64

struct known {
	const struct argp_option *options[OPTIONS_MAX];
	size_t n;
};

static bool is_end(const struct argp_option *o)
{
	return o->name == NULL && o->key == 0 && o->doc == NULL && o->group == 0;
}

static void collect(const struct argp *argp, struct known *ret)
{
	for (const struct argp_option *o = argp->options; o != NULL && !is_end(o); o++) {
		if (ret->n < OPTIONS_MAX && (o->flags & OPTION_DOC) == 0)
			ret->options[ret->n++] = o;
	}
	for (const struct argp_child *c = argp->children; c != NULL && c->argp != NULL; c++)
		collect(c->argp, ret);
}

static const struct argp_option *find_short(const struct known *k, char letter)
{
	for (size_t i = 0; i < k->n; i++) {
		if (k->options[i]->key == letter)
			return k->options[i];
	}
	return NULL;
}

/* How many begin with the @n bytes at @name, which may be cut short; *ret: the one that is called that, or
 * the last of them. */
static size_t find_long(const struct known *k, const char *name, size_t n,
			const struct argp_option **ret)
{
	size_t found = 0;
	for (size_t i = 0; i < k->n; i++) {
		const char *other = k->options[i]->name;
		if (other == NULL || strncmp(other, name, n) != 0)
			continue;
		*ret = k->options[i];
		found++;
		if (other[n] == '\0')
			return 1;
	}
	return found;
}

static int say_unknown(const struct known *k, const char *command, const char *name, size_t n)
{
	const char *names[OPTIONS_MAX + 1] = { NULL };
	char word[WORD_BYTES];
	size_t n_names = 0;
	for (size_t i = 0; i < k->n; i++) {
		if (k->options[i]->name != NULL)
			names[n_names++] = k->options[i]->name;
	}
	(void)snprintf(word, sizeof(word), "%.*s", (int)n, name);
	const char *meant = nearest_word(word, names);
	if (meant != NULL)
		return fail(-EINVAL, "'--%.*s' is not an option of `%s`; did you mean '--%s'?",
			    (int)n, name, command, meant);
	return fail(-EINVAL, "'--%.*s' is not an option of `%s`; `%s --help` lists them", (int)n,
		    name, command, command);
}

/* Whether the next argument is the value of @o, typed as the @n bytes at @word; -EINVAL, logged: there is
 * none. */
static int takes_next(const struct argp_option *o, const char *word, size_t n, bool is_last)
{
	if (o->arg == NULL || (o->flags & OPTION_ARG_OPTIONAL) != 0)
		return 0;
	return is_last ? fail(-EINVAL, "'-%.*s' needs a value: -%.*s %s", (int)n, word, (int)n,
			      word, o->arg)
		       : 1;
}

/* As takes_next(), of "--name" or "--name=value". */
static int check_long(const struct known *k, const char *command, const char *argument,
		      bool is_last)
{
	static const char *const of_argp[] = { "help", "usage", NULL };
	const size_t n = strcspn(argument, "=");
	const struct argp_option *o = NULL;
	for (const char *const *name = of_argp; *name != NULL; name++) {
		if (strncmp(*name, argument, n) == 0)
			return 0;
	}
	const size_t found = find_long(k, argument, n, &o);
	if (found == 0)
		return say_unknown(k, command, argument, n);
	/* With the second dash. */
	return found > 1 || argument[n] == '=' ? 0 : takes_next(o, argument - 1, n + 1, is_last);
}

/* As takes_next(), of "-abc" or "-aVALUE". */
static int check_short(const struct known *k, const char *command, const char *letters,
		       bool is_last)
{
	for (; *letters != '\0'; letters++) {
		const struct argp_option *o = find_short(k, *letters);
		if (o == NULL && *letters == '?')
			continue;
		if (o == NULL)
			return fail(-EINVAL,
				    "'-%c' is not an option of `%s`; `%s --help` lists them",
				    *letters, command, command);
		if (o->arg != NULL)
			return letters[1] != '\0' ? 0 : takes_next(o, letters, 1, is_last);
	}
	return 0;
}

int arguments_parse(const struct argp *argp, int argc, char **argv, unsigned int flags, void *input)
{
	struct known known = { .n = 0 };
	collect(argp, &known);
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const bool is_last = i + 1 == argc;
		int r = 0;
		if (strncmp(argv[i], "--", 2) == 0)
			r = check_long(&known, argv[0], argv[i] + 2, is_last);
		else if (argv[i][0] == '-' && argv[i][1] != '\0')
			r = check_short(&known, argv[0], argv[i] + 1, is_last);
		else if ((flags & ARGP_IN_ORDER) != 0)
			break; /* the rest is another program's */
		if (r < 0)
			return -r;
		i += r;
	}
	return argp_parse(argp, argc, argv, flags, NULL, input);
}
