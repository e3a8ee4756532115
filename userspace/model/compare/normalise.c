/* SPDX-License-Identifier: MIT */
/* Names with what changes from run to run taken out. A text is looked at word by word (letters and
 * digits); rules, which may look at what stands around a word, say how much of it is kept and how
 * much after that becomes a '*'. In paths below /tmp and its like nearly everything is suspect,
 * elsewhere only what has the form of something drawn or counted: a wrong '*' makes two objects one
 * row, a missing one makes one object two rows. */

#include "userspace/model/compare/compare.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"

#define UUID_BYTES     36
#define EPHEMERAL_PORT 32768 /* first of net.ipv4.ip_local_port_range */
#define PORT_MAX       65535
#define LONG_NUMBER    10 /* digits: seconds since 1970 and everything finer */
#define LONG_HEX       12 /* hexadecimal digits that are no word by chance */
#define SHORT_HEX      7  /* of an abbreviated commit */
#define LONG_DIGEST    20 /* base64 and base32: sha1 has 27, a docker or nix name 32 */
#define DRAWN	       6  /* mkstemp draws six letters, Python eight, mktemp ten */
#define GLUED_NUMBER   9  /* "go-build1234567890" */

struct word {
	const char *text; /* all of it */
	size_t from, n;
	bool is_temporary; /* in a path below a directory for temporary files */
	/* what is in it */
	size_t digits, lower, upper, hex, turns; /* turns between letters and digits */
};

struct span { /* keep that many bytes, replace that many after them; 0, 0: no */
	size_t keep, drop;
};

static const struct span none = { 0, 0 };

static struct span whole(const struct word *w)
{
	return (struct span){ 0, w->n };
}

static const char *start(const struct word *w)
{
	return w->text + w->from;
}

/* --- what is around a word ------------------------------------------------------------------- */

/* Whether @text ends with @ending right before @at, in either case. */
static bool is_behind(const struct word *w, size_t at, const char *ending)
{
	const size_t n = strlen(ending);
	return at >= n && strncasecmp(w->text + at - n, ending, n) == 0;
}

/* The byte that is @n before the word; NUL: there is none. */
static char byte_before(const struct word *w, size_t n)
{
	if (w->from < n)
		return '\0';
	return w->text[w->from - n];
}

static bool is_in_set(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* "--pid 1", "pid=1", "app.pid.1": the name is a word of its own before the one separator. */
static bool is_value_of(const struct word *w, const char *name)
{
	const size_t n = strlen(name);
	if (w->from < n + 1 || !is_in_set(byte_before(w, 1), " =:-_./[(") ||
	    !is_behind(w, w->from - 1, name))
		return false;
	return w->from == n + 1 || !isalnum((unsigned char)w->text[w->from - n - 2]);
}

static unsigned long number_of(const struct word *w)
{
	return w->n <= 9 ? strtoul(start(w), NULL, 10) : ~0ul;
}

static bool is_number(const struct word *w)
{
	return w->digits == w->n;
}

/* --- rules ----------------------------------------------------------------------------------- */

static struct span uuid(const struct word *w)
{
	const char *s = start(w);
	for (size_t i = 0; i < UUID_BYTES; i++) {
		const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (is_dash ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return none;
	}
	if (isalnum((unsigned char)s[UUID_BYTES]))
		return none;
	return (struct span){ 0, UUID_BYTES };
}

/* Bytes of @s that have the form: 9 is a digit, ? is any separator, all else itself. 0: it has not. */
static size_t has_form(const char *s, const char *form)
{
	for (size_t i = 0; form[i] != '\0'; i++) {
		const bool fits = form[i] == '9'   ? isdigit((unsigned char)s[i]) != 0
				  : form[i] == '?' ? is_in_set(s[i], " T_-:.")
						   : s[i] == form[i];
		if (!fits)
			return 0;
	}
	return strlen(form);
}

/* 2026-11-21, 2026-11-21T15:01:02.123Z, 20261121-150102, 20261121T150102Z */
static struct span date(const struct word *w)
{
	const char *s = start(w);
	size_t n = has_form(s, "9999-99-99");
	if (n > 0) {
		const size_t more = has_form(s + n, "?99?99?99");
		n += more > 0 ? more : has_form(s + n, "?999999");
	} else {
		n = has_form(s, "99999999T999999");
		if (n == 0)
			n = has_form(s, "99999999-999999");
	}
	if (n == 0 || (s[0] != '1' && s[0] != '2'))
		return none;
	if (s[n] == '.' && isdigit((unsigned char)s[n + 1]))
		n += 1 + strspn(s + n + 1, "0123456789");
	n += s[n] == 'Z';
	return isalnum((unsigned char)s[n]) ? none : (struct span){ 0, n };
}

/* A recording of ours is named by its time and process. */
static struct span recording(const struct word *w)
{
	const char *s = start(w);
	if (w->from > 0 && !is_in_set(byte_before(w, 1), "/ ="))
		return none;
	const size_t n = strspn(s, "0123456789-");
	return n > 8 && strncmp(s + n, ".slt", 4) == 0 ? (struct span){ 0, n } : none;
}

static struct span process_id(const struct word *w)
{
	static const char *const places[] = { "/proc/", "/pts/", "/fd/", "/task/",
					      "pipe:[", "ket:[", "ns:[", "/fdinfo/" };
	if (!is_number(w))
		return none;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (is_behind(w, w->from, places[i]))
			return whole(w);
	}
	return is_value_of(w, "pid") || is_value_of(w, "ppid") ? whole(w) : none;
}

static struct span port(const struct word *w)
{
	if (!is_number(w) || number_of(w) < EPHEMERAL_PORT || number_of(w) > PORT_MAX)
		return none;
	const char before_colon = byte_before(w, 2);
	if (byte_before(w, 1) == ':' &&
	    (isalnum((unsigned char)before_colon) || is_in_set(before_colon, "]*-.")))
		return whole(w);
	return is_value_of(w, "port") || is_behind(w, w->from, " -p ") ? whole(w) : none;
}

static struct span long_number(const struct word *w)
{
	return is_number(w) && w->n >= LONG_NUMBER ? whole(w) : none;
}

static struct span hexadecimal(const struct word *w)
{
	const bool is_mixed = w->digits > 0 && w->digits < w->n;
	const bool is_0x =
		w->n > 8 && start(w)[0] == '0' && start(w)[1] == 'x' && w->hex == w->n - 1;
	if (is_0x)
		return (struct span){ 2, w->n - 2 };
	if (w->hex < w->n || !is_mixed || (w->lower > 0 && w->upper > 0))
		return none;
	/* "ed25519" is hexadecimal too. */
	const bool is_drawn = w->n >= LONG_HEX || (w->n >= SHORT_HEX && w->turns >= 2);
	return is_drawn ? whole(w) : none;
}

static struct span digest(const struct word *w)
{
	if (w->n < LONG_DIGEST || w->digits == 0)
		return none;
	const bool is_base64 = w->lower > 0 && w->upper > 0 && w->turns >= 3;
	const bool is_base32 = w->turns >= w->n / 5;
	return is_base64 || is_base32 ? whole(w) : none;
}

/* "ccAbCd12.s", "tmpab12_xyz", "server.Xk2pQz", "pytest-12" in places for such things. */
static struct span drawn(const struct word *w)
{
	if (!w->is_temporary)
		return none;
	if (is_number(w))
		return whole(w);
	const char *s = start(w);
	const bool is_component = byte_before(w, 1) == '/';
	if (is_component && strncmp(s, "tmp", 3) == 0) {
		/* Python draws the underscore too. */
		size_t n = w->n;
		while (isalnum((unsigned char)s[n]) || s[n] == '_')
			n++;
		return n >= 3 + DRAWN ? (struct span){ 3, n - 3 } : none;
	}
	if (is_component && w->n == 2 + DRAWN && strncmp(s, "cc", 2) == 0)
		return (struct span){ 2, DRAWN };
	const bool is_mixed = (w->digits > 0 && w->digits < w->n) ||
			      (w->upper > 0 && w->lower > 0 && w->upper + w->lower == w->n &&
			       !(w->upper == 1 && isupper((unsigned char)s[0])));
	return w->n >= DRAWN && is_mixed ? whole(w) : none;
}

/* "build1234567890" */
static struct span glued_number(const struct word *w)
{
	size_t n = 0;
	while (n < w->n && isdigit((unsigned char)start(w)[w->n - 1 - n]))
		n++;
	const size_t enough = w->is_temporary ? DRAWN : GLUED_NUMBER;
	return n >= enough && n < w->n ? (struct span){ w->n - n, n } : none;
}

/* The first that fits. Those that may reach beyond the word come first. */
static struct span (*const rules[])(const struct word *w) = {
	uuid,	     recording,	  date,		port,  process_id,
	long_number, hexadecimal, glued_number, drawn, digest,
};

/* --- the walk --------------------------------------------------------------------------------- */

static struct word word_at(const char *text, size_t from, bool is_temporary)
{
	struct word w = { .text = text, .from = from, .is_temporary = is_temporary };
	for (const char *s = text + from; isalnum((unsigned char)*s); s++) {
		const unsigned char c = (unsigned char)*s;
		w.n++;
		w.digits += isdigit(c) != 0;
		w.lower += islower(c) != 0;
		w.upper += isupper(c) != 0;
		w.hex += isxdigit(c) != 0;
		w.turns += w.n > 1 && !isdigit(c) != !isdigit((unsigned char)s[-1]);
	}
	return w;
}

/* Whether the path that goes on at @at is for temporary things from there on. */
static bool enters_temporary(const char *text, size_t at)
{
	static const char *const inside[] = { "/tmp/", "/dev/shm/", "/var/run/" };
	static const char *const ahead[] = { "/run/" };
	for (size_t i = 0; i < sizeof(inside) / sizeof(*inside); i++) {
		if (strncmp(text + at, inside[i], strlen(inside[i])) == 0)
			return true;
	}
	const bool is_start = at == 0 || is_in_set(text[at - 1], " =:,");
	return is_start && strncmp(text + at, ahead[0], strlen(ahead[0])) == 0;
}

const char *compare_normalise(struct arena *arena, const char *text)
{
	/* A '*' stands for at least one byte: it never gets longer. */
	_cleanup_free_ char *out = malloc(strlen(text) + 1);
	size_t n = 0;
	bool is_temporary = false;
	if (out == NULL)
		return NULL;
	for (size_t at = 0; text[at] != '\0';) {
		if (!isalnum((unsigned char)text[at])) {
			if (is_in_set(text[at], " =,:;'\""))
				is_temporary = false;
			else if (text[at] == '/')
				is_temporary |= enters_temporary(text, at);
			out[n++] = text[at++];
			continue;
		}
		const struct word w = word_at(text, at, is_temporary);
		struct span span = none;
		for (size_t i = 0; i < sizeof(rules) / sizeof(*rules) && span.drop == 0; i++)
			span = rules[i](&w);
		if (span.drop == 0)
			span = (struct span){ w.n, 0 };
		memcpy(out + n, text + at, span.keep);
		n += span.keep;
		if (span.drop > 0)
			out[n++] = '*';
		at += span.keep + span.drop;
		/* What is left of the word has been looked at with it. */
		while (span.keep + span.drop < w.n && isalnum((unsigned char)text[at]))
			out[n++] = text[at++];
	}
	return arena_internn(arena, out, n);
}
