/* SPDX-License-Identifier: MIT */
/* Short names for command lines. What is left out first: folders of absolute paths, then, of
 * commands that make a file (-o FILE), the options, then the end. */

#include "userspace/view/report/label.h"

#include <inttypes.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/utf8.h"
#include "userspace/model/place.h"
#include "userspace/view/report/parts.h"

#define MAX_WORDS 64		    /* of a command line: far more than fit */
#define MAX_BYTES ((size_t)4 << 10) /* of a word */
#define MAX_UP	  32		    /* parents asked for a name */

static const char ellipsis[] = "...";

const char *label_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash == NULL || slash[1] == '\0' ? path : slash + 1;
}

/* Adds a word after a blank; blanks and line ends within it become one blank each. */
static void add_word(struct buf *out, const char *word)
{
	_cleanup_(buf_done) struct buf clean = { .limit = MAX_BYTES + 1 };
	for (const char *s = word; *s != '\0' && clean.len < MAX_BYTES; s++) {
		const bool is_blank = strchr(" \t\r\n", *s) != NULL;
		if (!is_blank)
			(void)buf_addc(&clean, *s);
		else if (clean.len > 0 && clean.data[clean.len - 1] != ' ')
			(void)buf_addc(&clean, ' ');
	}
	const char *items[] = { buf_str(&clean) };
	_cleanup_(buf_done) struct buf quoted = { .limit = 8 * MAX_BYTES };
	(void)buf_addf(out, "%s%s", out->len > 0 ? " " : "",
		       command_line(&(struct text_list){ items, 1 }, &quoted));
}

static const char *word_at(const struct text_list *argv, size_t i)
{
	return argv->items[i] == NULL ? "" : argv->items[i];
}

static void add_words(const struct text_list *argv, bool is_short, struct buf *out)
{
	for (size_t i = 1; i < argv->n && i < MAX_WORDS; i++) {
		const char *word = word_at(argv, i);
		add_word(out, is_short && word[0] == '/' ? label_base(word) : word);
	}
}

static bool fits(const struct buf *text, size_t columns)
{
	return text_width(buf_str(text), text->len) <= columns;
}

/* --- compilers and the like ----------------------------------------------------------------- */

/* What the command reads and makes, as far as it can be told from the outside. */
struct making {
	const char *output;
	const char *input; /* the one operand that is no scratch file; "" when there are several */
	bool is_compile;
};

static bool takes_value(const char *option)
{
	return option[1] != '\0' && option[2] != '\0' && strchr(option, '=') == NULL &&
	       option[1] != '-';
}

static struct making making_of(const struct text_list *argv)
{
	struct making making = { 0 };
	for (size_t i = 1; i < argv->n; i++) {
		const char *word = word_at(argv, i);
		const char *before = word_at(argv, i - 1);
		if (strcmp(before, "-o") == 0)
			making.output = word;
		else if (strcmp(word, "-c") == 0)
			making.is_compile = true;
		else if (word[0] != '-' && strncmp(word, "/tmp/", 5) != 0 &&
			 !(i > 1 && before[0] == '-' && takes_value(before)))
			making.input = making.input == NULL ? word : "";
	}
	return making;
}

/* "cc -c f1.c", "ld -o prog"; false: it is no such command. */
static bool add_making(const struct text_list *argv, struct buf *out)
{
	const struct making making = making_of(argv);
	if (making.output == NULL)
		return false;
	if (making.input == NULL || making.input[0] == '\0') {
		add_word(out, "-o");
		add_word(out, making.output);
		return true;
	}
	if (making.is_compile)
		add_word(out, "-c");
	add_word(out, making.input[0] == '/' ? label_base(making.input) : making.input);
	return true;
}

/* --- the label ------------------------------------------------------------------------------ */

static void cut(struct buf *text, size_t columns)
{
	if (fits(text, columns))
		return;
	const size_t room = columns > sizeof(ellipsis) ? columns - (sizeof(ellipsis) - 1) : 1;
	buf_truncate(text, text_fit(buf_str(text), text->len, room));
	while (text->len > 0 && text->data[text->len - 1] == ' ')
		buf_truncate(text, text->len - 1);
	(void)buf_adds(text, ellipsis);
}

/* Without an "env" in front: it only looks for the command. */
static struct text_list without_env(const struct text_list *argv)
{
	const bool is_env = argv->n > 1 && strcmp(label_base(word_at(argv, 0)), "env") == 0 &&
			    word_at(argv, 1)[0] != '-' && strchr(word_at(argv, 1), '=') == NULL;
	return is_env ? (struct text_list){ argv->items + 1, argv->n - 1 } : *argv;
}

const char *label_command(const char *exe, const struct text_list *argv, size_t columns,
			  struct buf *ret)
{
	const struct text_list words = without_env(argv);
	const char *name = words.n > 0 ? word_at(&words, 0) : text_of(exe);
	buf_clear(ret);
	if (name[0] == '\0')
		(void)buf_addc(ret, '?');
	else
		add_word(ret, label_base(name));
	const size_t name_len = ret->len;
	add_words(&words, false, ret);
	if (!fits(ret, columns)) {
		buf_truncate(ret, name_len);
		add_words(&words, true, ret);
	}
	if (!fits(ret, columns)) {
		_cleanup_(buf_done) struct buf shorter = { .limit = 8 * MAX_BYTES };
		(void)buf_add(&shorter, buf_str(ret), name_len);
		if (add_making(&words, &shorter)) {
			buf_clear(ret);
			(void)buf_add(ret, buf_str(&shorter), shorter.len);
		}
	}
	cut(ret, columns);
	return buf_str(ret);
}

static bool is_real(const struct image *image)
{
	return image->result == NULL || strcmp(image->result, "ok") == 0;
}

/* What ran in the process at that time; NULL: what its parent ran when it began. */
static const struct image *image_then(const struct process *p, int64_t time_ns)
{
	const struct image *last = NULL;
	for (size_t i = 0; i < p->n_images && p->images[i].time_ns <= time_ns; i++)
		last = is_real(&p->images[i]) ? &p->images[i] : last;
	return last;
}

/* What the process was forked for; NULL: for nothing but itself. */
static const struct image *first_image(const struct process *p)
{
	for (size_t i = 0; i < p->n_images; i++) {
		if (is_real(&p->images[i]))
			return &p->images[i];
	}
	return NULL;
}

/* The image that a forked process goes on with; NULL: not known. */
static const struct image *inherited(const struct run *run, const struct process *p)
{
	const struct image *image = NULL;
	for (int up = 0; up < MAX_UP && image == NULL; up++) {
		const struct process *parent = process_find(run, p->parent);
		if (parent == NULL)
			return NULL;
		image = image_then(parent, p->start_ns);
		p = parent;
	}
	return image;
}

const char *label_image(const struct run *run, int process, const struct image *image,
			size_t columns, struct buf *ret)
{
	const struct process *p = process_find(run, process);
	buf_clear(ret);
	if (p == NULL)
		return label_command(NULL, &(struct text_list){ 0 }, columns, ret);
	if (image != NULL)
		return label_command(image->exe, &image->argv, columns, ret);
	char suffix[32] = "";
	const struct image *first = first_image(p);
	/* Forked, and going on with what its parent runs: what it calls itself says more. */
	const bool is_named =
		first == NULL && p->parent != 0 && p->name != NULL && p->pid != UNKNOWN;
	if (first != NULL)
		(void)snprintf(suffix, sizeof(suffix), ": fork");
	else if (p->pid != UNKNOWN && (is_named || run->n_processes > 1))
		(void)snprintf(suffix, sizeof(suffix), " [%" PRId64 "]", p->pid);
	const size_t room = columns > strlen(suffix) ? columns - strlen(suffix) : 1;
	const struct image *from = first != NULL ? first : inherited(run, p);
	if (is_named) {
		(void)buf_adds(ret, p->name);
		cut(ret, room);
	} else {
		(void)label_command(from == NULL ? p->exe : from->exe,
				    from == NULL ? &p->argv : &from->argv, room, ret);
	}
	(void)buf_adds(ret, suffix);
	return buf_str(ret);
}

void label_frame(const struct frame *frame, bool is_one_place, struct buf *out)
{
	if (frame == NULL)
		(void)buf_adds(out, "[no stack]");
	else if (frame->function != NULL)
		(void)buf_adds(out, frame->function);
	else if (frame->module == NULL)
		(void)buf_adds(out, "[unknown]");
	else if (is_one_place && frame->offset != UNKNOWN)
		(void)buf_addf(out, "%s+0x%" PRIx64, label_base(frame->module), frame->offset);
	else
		(void)buf_addf(out, "%s+0x...", label_base(frame->module));
}

void label_place(const struct session *s, int64_t stack, struct buf *out)
{
	const struct frame *frame = stack_place(s, stack);
	if (frame == NULL || (frame->function == NULL && frame->module == NULL))
		return;
	if (frame->function != NULL)
		(void)buf_add(out, frame->function, function_length(frame->function));
	else
		label_frame(frame, true, out);
	if (frame->file != NULL && frame->line != UNKNOWN)
		(void)buf_addf(out, ", %s:%" PRId64, label_base(frame->file), frame->line);
}
