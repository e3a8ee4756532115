/* SPDX-License-Identifier: MIT */
/* Opens and closes the file of -o, with each failure said once. */

#include "userspace/cmd/output.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/log.h"
#include "userspace/cmd/recording.h"

int output_open(const char *path, FILE *fallback, FILE **ret)
{
	if (path == NULL) {
		*ret = fallback;
		return 0;
	}
	user_rights_take();
	*ret = fopen(path, "we");
	const int error = errno;
	user_rights_give_back();
	return *ret == NULL ? fail(-error, "cannot write '%s': %s", path, strerror(error)) : 0;
}

int output_close(const char *path, FILE *f, int result)
{
	/* Standard output is flushed and checked once, at the end of the program. */
	if (path == NULL)
		return f == stdout ? 0 : result;
	const int flushed = fflush(f) == 0 && !ferror(f) ? 0 : -(errno != 0 ? errno : EIO);
	(void)fclose(f);
	if (flushed < 0)
		return fail(flushed, "cannot write '%s': %s", path, strerror(-flushed));
	return result;
}
