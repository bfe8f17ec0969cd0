#include "datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strings.h"

static int make_directories(const char *path, struct err *err)
{
	char part[PATH_MAX];

	str_copy(part, sizeof(part), path);
	for (char *at = part + 1;; at++) {
		if (*at != '/' && *at != '\0')
			continue;
		char end = *at;
		*at = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return err_set_errno(err, ERR_UNAVAILABLE, errno,
					     "cannot create the data directory %s", part);
		if (end == '\0')
			return 0;
		*at = end;
	}
}

int datadir_open(const char *path, int *ret_lock_fd, struct err *err)
{
	char lock[PATH_MAX];

	if (strlen(path) > PATH_MAX - 32)
		return err_set(err, ERR_INVALID, "the path of the data directory is too long");
	if (make_directories(path, err) < 0)
		return -1;
	(void)snprintf(lock, sizeof(lock), "%s/lock", path);
	int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set_errno(err, ERR_UNAVAILABLE, errno, "cannot open %s", lock);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int error = errno;
		(void)close(fd);
		if (error == EWOULDBLOCK)
			return err_set(
				err, ERR_CONFLICT,
				"another dure is using the data directory %s; stop it first or "
				"choose another with --data-dir",
				path);
		return err_set_errno(err, ERR_UNAVAILABLE, error, "cannot lock %s", lock);
	}
	*ret_lock_fd = fd;
	return 0;
}
