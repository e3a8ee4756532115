/* SPDX-License-Identifier: MIT */
/* A line of it: "7f…000-7f…000 r-xp 00026000 fe:00 1234   /usr/lib/libc.so.6". */
#include "userspace/stacks/proc_maps.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "userspace/base/fs.h"

#define FILE_LIMIT ((size_t)16 << 20) /* MAPPINGS_MAX lines have some 12 MB */

int proc_maps_begin(struct proc_maps *m, pid_t pid)
{
	char path[32];
	*m = (struct proc_maps){ .pid = pid };
	buf_init(&m->text, FILE_LIMIT);
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	const int r = fs_read_file(path, &m->text);
	m->rest = m->text.data;
	return r;
}

void proc_maps_end(struct proc_maps *m)
{
	buf_done(&m->text);
}

/* What stat() says of the file, since that is what it will be held against: some file systems tell
 * another device in the list. */
static void identify(pid_t pid, struct mapping *mapping)
{
	char path[96];
	struct stat st;
	(void)snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", (int)pid,
		       (unsigned long long)mapping->address,
		       (unsigned long long)mapping->address + mapping->length);
	if (stat(path, &st) < 0)
		return;
	mapping->identity.device_major = major(st.st_dev);
	mapping->identity.device_minor = minor(st.st_dev);
	mapping->identity.inode = st.st_ino;
}

static bool read_line(const char *line, struct mapping *ret)
{
	unsigned long long start, end, offset, inode;
	unsigned int device_major, device_minor;
	char rights[5];
	int n = 0;
	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, rights, &offset,
		   &device_major, &device_minor, &inode, &n) < 7 ||
	    n == 0 || end <= start || rights[2] != 'x')
		return false;
	*ret = (struct mapping){ .address = start,
				 .length = end - start,
				 .offset = offset,
				 .path = line[n] != '\0' ? line + n : "//anon",
				 .identity = { .device_major = device_major,
					       .device_minor = device_minor,
					       .inode = inode } };
	return true;
}

bool proc_maps_next(struct proc_maps *m, struct mapping *ret)
{
	const char *line;
	while ((line = strsep(&m->rest, "\n")) != NULL) {
		if (!read_line(line, ret))
			continue;
		if (ret->identity.inode != 0)
			identify(m->pid, ret);
		return true;
	}
	return false;
}
