/* SPDX-License-Identifier: MIT */
/* The kinds of events, from the schema's table; nothing here is written twice. */

#include "userspace/trace/kinds.h"

#define EVENT_ALIGNMENT 8u

/* In between there may be holes: numbers are frozen, rows can go away. */
static const struct kind kinds[SL_KIND_LIMIT] = {
#define KIND_ROW(number, enumerator, token, text) \
	[number] = { .name = #token, .size = sizeof(struct sl_##token) },
	SL_EVENT_KINDS(KIND_ROW)
#undef KIND_ROW
};

const struct kind *kind_of(unsigned int kind)
{
	if (kind >= SL_KIND_LIMIT || kinds[kind].name == NULL)
		return NULL;
	return &kinds[kind];
}

bool event_is_sized(const struct sl_event *event, size_t room)
{
	return room >= sizeof(*event) && event->size >= sizeof(*event) && event->size <= room &&
	       event->size <= SL_EVENT_MAX && event->size % EVENT_ALIGNMENT == 0;
}

/* ARGS and OUTPUT carry a length of their own: it must not promise more than there is. */
static bool length_fits(const struct sl_event *event)
{
	if (event->kind == SL_KIND_ARGS) {
		const struct sl_args *args = (const void *)event;
		return args->length <= event->size - offsetof(struct sl_args, bytes);
	}
	if (event->kind == SL_KIND_OUTPUT) {
		const struct sl_output *output = (const void *)event;
		return output->length <= event->size - offsetof(struct sl_output, bytes);
	}
	if (event->kind == SL_KIND_NET) {
		const struct sl_net *net = (const void *)event;
		return net->addr.length <= sizeof(net->addr.bytes);
	}
	return true;
}

bool event_is_valid(const struct sl_event *event, size_t room)
{
	if (!event_is_sized(event, room))
		return false;
	const struct kind *kind = kind_of(event->kind);
	return kind != NULL && event->size >= kind->size && length_fits(event);
}
