/* SPDX-License-Identifier: MIT */
/* One pass over the text, each word put together in one buffer that is as long as the text. */

#include "userspace/base/shellwords.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"

#define BLANKS " \t\r\n"

struct splitter {
	const char *text, *at;
	char *word; /* the one that is being put together */
	size_t n;
	const char *error;
	const char *error_at;
};

static bool refuse(struct splitter *s, const char *at, const char *error)
{
	s->error = error;
	s->error_at = at;
	return false;
}

/* A line that is continued adds nothing. */
static bool take_escaped(struct splitter *s)
{
	if (s->at[1] == '\0')
		return refuse(s, s->at, "a backslash at the end escapes nothing");
	if (s->at[1] != '\n')
		s->word[s->n++] = s->at[1];
	s->at += 2;
	return true;
}

static bool take_single(struct splitter *s)
{
	const char *start = s->at++;
	const char *end = strchr(s->at, '\'');
	if (end == NULL)
		return refuse(s, start, "a quote ' is not closed");
	memcpy(s->word + s->n, s->at, (size_t)(end - s->at));
	s->n += (size_t)(end - s->at);
	s->at = end + 1;
	return true;
}

static bool take_double(struct splitter *s)
{
	const char *start = s->at++;
	while (*s->at != '"') {
		if (*s->at == '\0')
			return refuse(s, start, "a quote \" is not closed");
		if (*s->at == '\\' && s->at[1] != '\0' && strchr("$`\"\\\n", s->at[1]) != NULL) {
			if (!take_escaped(s))
				return false;
			continue;
		}
		s->word[s->n++] = *s->at++;
	}
	s->at++;
	return true;
}

/* One word; *ret_is_word is false where only a continued line was there. */
static bool take_word(struct splitter *s, bool *ret_is_word)
{
	s->n = 0;
	*ret_is_word = false;
	while (*s->at != '\0' && strchr(BLANKS, *s->at) == NULL) {
		const bool is_continued = s->at[0] == '\\' && s->at[1] == '\n';
		bool is_good = true;
		*ret_is_word |= !is_continued;
		if (*s->at == '\\')
			is_good = take_escaped(s);
		else if (*s->at == '\'')
			is_good = take_single(s);
		else if (*s->at == '"')
			is_good = take_double(s);
		else
			s->word[s->n++] = *s->at++;
		if (!is_good)
			return false;
	}
	return true;
}

static int split(struct splitter *s, struct arena *arena, char **words, size_t *ret_n)
{
	size_t n = 0;
	for (;;) {
		s->at += strspn(s->at, BLANKS);
		if (*s->at == '\0')
			break;
		const char *start = s->at;
		bool is_word = false;
		if (!take_word(s, &is_word))
			return -EINVAL;
		if (!is_word)
			continue;
		if (n == SHELLWORDS_WORDS_MAX)
			return (void)refuse(s, start, "too many words"), -EINVAL;
		words[n] = arena_strndup(arena, s->word, s->n);
		if (words[n++] == NULL)
			return (void)refuse(s, start, "not enough memory"), -ENOMEM;
	}
	words[n] = NULL;
	*ret_n = n;
	return n > 0 ? 0 : ((void)refuse(s, s->text, "there is no command in it"), -EINVAL);
}

int shellwords_split(struct arena *arena, const char *text, char ***ret_words, size_t *ret_n,
		     const char **ret_error, size_t *ret_at)
{
	struct splitter s = { .text = text, .at = text };
	const size_t length = strlen(text);
	size_t n = 0;
	int r = -EINVAL;
	if (length > SHELLWORDS_TEXT_MAX) {
		(void)refuse(&s, text, "the command is too long");
	} else {
		const size_t most = length / 2 + 2; /* a blank between two words */
		char **words = arena_alloc_array(
			arena, most < SHELLWORDS_WORDS_MAX ? most : SHELLWORDS_WORDS_MAX + 1,
			sizeof(*words));
		s.word = arena_alloc(arena, length + 1);
		if (words == NULL || s.word == NULL)
			r = ((void)refuse(&s, text, "not enough memory"), -ENOMEM);
		else
			r = split(&s, arena, words, &n);
		*ret_words = words;
	}
	if (r < 0) {
		*ret_error = s.error;
		*ret_at = (size_t)(s.error_at - text);
		return r;
	}
	if (ret_n != NULL)
		*ret_n = n;
	return 0;
}

/* --- what is for a shell ---------------------------------------------------------------------- */

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define DIGITS	"0123456789"

static size_t length_of_name(const char *text)
{
	return strspn(text, LETTERS) > 0 ? strspn(text, LETTERS DIGITS) : 0;
}

/* Of what stands in quotes or behind a backslash; 0: nothing does. */
static size_t length_of_quoted(const char *at)
{
	const char *end = at + 1;
	if (*at == '\\')
		return at[1] != '\0' ? 2 : 1;
	if (*at != '\'' && *at != '"')
		return 0;
	while (*end != '\0' && *end != *at)
		end += *at == '"' && *end == '\\' && end[1] != '\0' ? 2 : 1;
	return (size_t)(end - at) + (*end != '\0');
}

static size_t length_of_expansion(const char *at, bool is_start)
{
	if (*at == '`')
		return 1;
	if (*at == '~')
		return is_start && (at[1] == '\0' || strchr(BLANKS "/", at[1]) != NULL) ? 1 : 0;
	if (*at != '$')
		return 0;
	if (at[1] == '(' || at[1] == '{')
		return 2;
	const size_t n = length_of_name(at + 1);
	return n > 0 ? n + 1 : 0;
}

/* 0: none begins here. @is_start: of a word. */
static size_t length_of_operator(const char *at, bool is_start)
{
	const size_t digits = strspn(at, DIGITS);
	if (is_start && (at[digits] == '>' || at[digits] == '<'))
		return digits + strspn(at + digits, "<>&");
	if ((*at == '&' || *at == '|') && at[1] == *at)
		return 2;
	const bool is_one = *at != '\0' && strchr("|;&", *at) != NULL;
	const bool is_end = is_one && (at[1] == '\0' || strchr(BLANKS, at[1]) != NULL);
	return is_one && (is_start || is_end) ? 1 : 0;
}

const char *shellwords_needs_shell(const char *text, size_t *ret_n)
{
	const char *at = text + strspn(text, BLANKS);
	const size_t name = length_of_name(at);
	bool is_start = true;
	*ret_n = name + 1;
	if (name > 0 && at[name] == '=')
		return at;
	while (*at != '\0') {
		const size_t quoted = length_of_quoted(at);
		*ret_n = length_of_operator(at, is_start);
		if (quoted == 0 && *ret_n == 0)
			*ret_n = length_of_expansion(at, is_start);
		if (quoted == 0 && *ret_n > 0)
			return at;
		is_start = strchr(BLANKS, *at) != NULL;
		at += quoted > 0 ? quoted : 1;
	}
	return NULL;
}

const char *shellwords_quote(struct arena *arena, const char *word)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=+,@%";
	_cleanup_(buf_done) struct buf quoted = { .limit = 4 * SHELLWORDS_TEXT_MAX };
	if (*word != '\0' && word[strspn(word, plain)] == '\0')
		return arena_strdup(arena, word);
	(void)buf_addc(&quoted, '\'');
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			(void)buf_adds(&quoted, "'\\''");
		else
			(void)buf_addc(&quoted, *word);
	}
	(void)buf_addc(&quoted, '\'');
	return quoted.error < 0 ? NULL : arena_strdup(arena, buf_str(&quoted));
}
