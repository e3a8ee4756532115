/* SPDX-License-Identifier: MIT */
/* XML as a stream, by libexpat. Documents that declare a type are refused, so there are no entities to
 * expand. */
#ifndef USERSPACE_FOREIGN_FORMS_XML_H
#define USERSPACE_FOREIGN_FORMS_XML_H

#include <stdbool.h>
#include <stddef.h>

struct gathering;

struct xml {
	struct gathering *g;
	/* An element begins, with pairs of a name and a value, and ends. */
	void (*begin)(void *user, const char *name, const char **attributes);
	void (*end)(void *user, const char *name);
	void *user;
	size_t depth; /* of elements that are open: 1 in begin() of the outermost */
	void *parser;
};

/* Whether it is XML that has @word near its beginning: "<testsuite". */
bool xml_sniff(const char *text, size_t length, const char *word);
/* What is wrong is an error of .g with its line. */
void xml_read(struct xml *x, const char *text, size_t length);
/* From begin() and end(): an error with the line, and nothing more is read. */
void xml_refuse(struct xml *x, const char *what);
/* NULL: there is none. */
const char *xml_attribute(const char **attributes, const char *name);

#endif
