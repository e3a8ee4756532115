/* SPDX-License-Identifier: MIT */
/* One file per --out. */

#include "userspace/cmd/outs.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/cmd/output.h"

#define NAMES_MAX 256

static void refuse(const char *argument, struct argp_state *state)
{
	_cleanup_(buf_done) struct buf names;
	buf_init(&names, NAMES_MAX);
	for (const struct ci_output *o = ci_outputs; o->name != NULL; o++)
		(void)buf_addf(&names, "%s%s", o != ci_outputs ? ", " : "", o->name);
	argp_error(state, "--out '%s': FORMAT=FILE, where FORMAT is one of %s", argument,
		   buf_str(&names));
}

void outs_add(struct outs *outs, const char *argument, struct argp_state *state)
{
	const char *equals = strchr(argument, '=');
	for (const struct ci_output *o = ci_outputs; equals != NULL && o->name != NULL; o++) {
		const size_t n = strlen(o->name);
		if (n != (size_t)(equals - argument) || strncmp(o->name, argument, n) != 0 ||
		    equals[1] == '\0')
			continue;
		if (vec_push(outs, ((struct out){ o, equals + 1 })) < 0)
			argp_failure(state, 1, ENOMEM, "--out");
		return;
	}
	refuse(argument, state);
}

int outs_write(const struct outs *outs, const struct outcome *outcomes, size_t n)
{
	int worst = 0;
	vec_foreach(out, outs) {
		struct output_options o = { .path = out->path };
		int r = output_open(&o, stdout);
		if (r >= 0)
			r = output_close(&o, out->output->print(outcomes, n, o.f));
		if (r < 0)
			worst = r;
	}
	return worst;
}

void outs_done(struct outs *outs)
{
	vec_done(outs);
}
