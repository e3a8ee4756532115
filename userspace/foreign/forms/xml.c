/* SPDX-License-Identifier: MIT */

#include "userspace/foreign/forms/xml.h"

#include <expat.h>
#include <string.h>

#include "userspace/foreign/internal.h"

#define MAX_DEPTH 64
#define CHUNK	  ((size_t)1 << 20) /* expat takes an int */

bool xml_sniff(const char *text, size_t length, const char *word)
{
	return foreign_first_byte(text, length) == '<' && foreign_holds(text, length, word);
}

const char *xml_attribute(const char **attributes, const char *name)
{
	for (size_t i = 0; attributes[i] != NULL; i += 2) {
		if (strcmp(attributes[i], name) == 0)
			return attributes[i + 1];
	}
	return NULL;
}

/* expat 2.8 and later do not like the name that those before know. */
static unsigned long current_line(const struct xml *x)
{
#ifdef XML_ATTR_DEPRECATED
	return XML_GetCurrentLineNumber64(x->parser);
#else
	return XML_GetCurrentLineNumber(x->parser);
#endif
}

void xml_refuse(struct xml *x, const char *what)
{
	gather_fail(x->g, "line %lu: %s", current_line(x), what);
	(void)XML_StopParser(x->parser, XML_FALSE);
}

static void XMLCALL on_begin(void *user, const char *name, const char **attributes)
{
	struct xml *x = user;
	if (++x->depth > MAX_DEPTH)
		xml_refuse(x, "it is nested too deep");
	else
		x->begin(x->user, name, attributes);
	if (x->g->error < 0)
		(void)XML_StopParser(x->parser, XML_FALSE);
}

static void XMLCALL on_end(void *user, const char *name)
{
	struct xml *x = user;
	x->end(x->user, name);
	x->depth--;
}

static void XMLCALL on_doctype(void *user, const char *name, const char *system_id,
			       const char *public_id, int has_internal_subset)
{
	(void)name;
	(void)system_id;
	(void)public_id;
	(void)has_internal_subset;
	xml_refuse(user, "a document type declaration, which is not accepted");
}

void xml_read(struct xml *x, const char *text, size_t length)
{
	enum XML_Status status = XML_STATUS_OK;
	x->parser = XML_ParserCreate(NULL);
	if (x->parser == NULL) {
		gather_no_memory(x->g);
		return;
	}
	XML_SetUserData(x->parser, x);
	XML_SetElementHandler(x->parser, on_begin, on_end);
	XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
	for (size_t at = 0; status == XML_STATUS_OK && at < length; at += CHUNK) {
		const size_t n = length - at < CHUNK ? length - at : CHUNK;
		status = XML_Parse(x->parser, text + at, (int)n, at + n == length);
	}
	if (status != XML_STATUS_OK && x->g->error == 0)
		gather_fail(x->g, "line %lu: %s", current_line(x),
			    XML_ErrorString(XML_GetErrorCode(x->parser)));
	XML_ParserFree(x->parser);
}
