/* SPDX-License-Identifier: MIT */
/* Takes values out of a document that may hold anything. */

#include "userspace/model/document/session_json_values.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"

#define MAX_MEMORY ((size_t)512 << 20) /* what a document may make of itself */
#define MAX_PLACE  200

void set_error(struct reading *r, const char *error)
{
	if (r->error == NULL)
		r->error = error;
}

void step_in(struct reading *r, const char *key, size_t index)
{
	assert(r->n_steps < MAX_STEPS);
	if (r->error == NULL)
		r->steps[r->n_steps++] = (struct step){ key, index };
}

void step_out(struct reading *r)
{
	if (r->error == NULL)
		r->n_steps--;
}

int fail_at(const struct reading *r, const char *name)
{
	_cleanup_(buf_done) struct buf place;
	buf_init(&place, MAX_PLACE);
	for (size_t i = 0; i < r->n_steps; i++) {
		if (r->steps[i].key == NULL)
			(void)buf_addf(&place, "[%zu]", r->steps[i].index);
		else
			(void)buf_addf(&place, "%s%s", i > 0 ? "." : "", r->steps[i].key);
	}
	return fail(-EBADMSG, "'%s': %s%s%s", name, buf_str(&place), place.len > 0 ? ": " : "",
		    r->error);
}

/* --- memory --------------------------------------------------------------------------------- */

bool may_use(struct reading *r, size_t n_bytes)
{
	r->n_bytes += n_bytes;
	if (r->n_bytes > MAX_MEMORY)
		set_error(r, "it needs too much memory");
	return r->error == NULL;
}

/* --- values --------------------------------------------------------------------------------- */

const char *read_text(struct reading *r, const cJSON *json)
{
	if (cJSON_IsNull(json))
		return NULL;
	if (!cJSON_IsString(json)) {
		set_error(r, "a string was expected");
		return NULL;
	}
	json_text_decode(json->valuestring);
	if (!may_use(r, strlen(json->valuestring) + 1))
		return NULL;
	const char *text = arena_intern(r->session->arena, json->valuestring);
	if (text == NULL)
		set_error(r, "memory is short");
	return text;
}

const char *read_detail(struct reading *r, const cJSON *json)
{
	const char *text = read_text(r, json);
	return text == NULL ? "" : text;
}

double read_double(struct reading *r, const cJSON *json)
{
	if (cJSON_IsNull(json))
		return NAN;
	if (!cJSON_IsNumber(json))
		set_error(r, "expected a number");
	else if (!isfinite(json->valuedouble))
		set_error(r, "the number is too large");
	return json->valuedouble;
}

int64_t read_int(struct reading *r, const cJSON *json)
{
	const double value = read_double(r, json);
	if (isnan(value))
		return UNKNOWN;
	if (fabs(value) > 0x1p63) {
		set_error(r, "the number is too large");
		return UNKNOWN;
	}
	/* As a double, the largest integers are 2^63. */
	return value >= 0x1p63 ? INT64_MAX : (int64_t)llround(value);
}

bool read_bool(struct reading *r, const cJSON *json)
{
	if (!cJSON_IsBool(json) && !cJSON_IsNull(json))
		set_error(r, "expected true or false");
	return cJSON_IsTrue(json);
}

int read_process(struct reading *r, const cJSON *json)
{
	const int64_t id = cJSON_IsNull(json) ? 0 : read_int(r, json);
	if (id < 0 || id > INT32_MAX)
		set_error(r, "not the id of a process");
	return r->error == NULL ? (int)id : 0;
}

int read_name(struct reading *r, const cJSON *json, int (*of)(const char *), int fallback)
{
	if (!cJSON_IsString(json)) {
		set_error(r, "a string was expected");
		return 0;
	}
	const int value = of(json->valuestring);
	if (value >= 0)
		return value;
	if (fallback < 0)
		set_error(r, "a name that this version does not know");
	return fallback < 0 ? 0 : fallback;
}
