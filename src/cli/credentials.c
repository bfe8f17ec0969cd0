#include "cli/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strings.h"

#define FILE_BYTES_MAX 16384 /* a URL and a token */

const char *credentials_path(struct arena *arena)
{
	const char *base = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");

	if (base && base[0] == '/') /* the XDG rule: relative paths are to be ignored */
		return arena_printf(arena, "%s/dure/credentials.json", base);
	if (!str_empty(home))
		return arena_printf(arena, "%s/.config/dure/credentials.json", home);
	return NULL;
}

static int path_of(struct arena *arena, const char **ret_path, struct err *err)
{
	*ret_path = credentials_path(arena);
	if (*ret_path)
		return 0;
	(void)err_set(err, ERR_INVALID,
		      "there is no place for credentials: set HOME or XDG_CONFIG_HOME, or give "
		      "DURE_URL and DURE_TOKEN");
	return -1; /* written out for the analyser, which cannot see into err_set() */
}

/* The whole file into `text`; -ENOENT when there is none. */
static int read_private(const char *path, char *text, size_t size, struct err *err)
{
	struct stat status;
	size_t used = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? -ENOENT
			       : err_set_errno(err, ERR_INVALID, errno, "cannot read %s", path);
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || (status.st_mode & 077) != 0) {
		close(fd);
		err_set(err, ERR_INVALID,
			"%s holds a secret but others may read it; do: chmod 600 %s", path, path);
		return -EPERM;
	}
	while ((got = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)got;
	close(fd);
	text[used] = '\0';
	if (got == 0 && used < size - 1)
		return 0;
	err_set(err, ERR_INVALID, "%s is no credentials file of dure", path);
	return -EIO;
}

int credentials_load(struct arena *arena, struct credentials *ret_credentials, bool *ret_found,
		     struct err *err)
{
	char text[FILE_BYTES_MAX];
	const char *path, *url, *token;
	json_int_t id = 0;
	const char *login = "";

	if (path_of(arena, &path, err) < 0) { /* nothing saved is no failure */
		err_clear(err);
		*ret_found = false;
		return 0;
	}
	int rc = read_private(path, text, sizeof(text), err);
	*ret_found = rc == 0;
	if (rc < 0)
		return rc == -ENOENT ? 0 : -1;
	json_auto_t *document = json_loads(text, 0, NULL);
	if (json_unpack(document, "{s:s, s:s, s?s, s?I}", "url", &url, "token", &token, "login",
			&login, "token_id", &id) < 0)
		return err_set(err, ERR_INVALID,
			       "%s is no credentials file of dure; log in again with: dure login",
			       path);
	*ret_credentials = (struct credentials){ .url = arena_strdup(arena, url),
						 .token = arena_strdup(arena, token),
						 .login = arena_strdup(arena, login),
						 .token_id = id };
	return 0;
}

/* Makes the folders above `path`, private. */
static int make_folders(struct arena *arena, const char *path, struct err *err)
{
	char *folder = arena_strdup(arena, path);

	if (!folder)
		return err_oom(err);
	for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(folder, 0700) < 0 && errno != EEXIST)
			return err_set_errno(err, ERR_INVALID, errno, "cannot make %s", folder);
		*slash = '/';
	}
	return 0;
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t written = write(fd, text, left);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		text += written;
		left -= (size_t)written;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int credentials_save(struct arena *arena, const struct credentials *credentials, struct err *err)
{
	const char *path;

	if (path_of(arena, &path, err) < 0 || make_folders(arena, path, err) < 0)
		return -1;
	char *fresh = arena_printf(arena, "%s.XXXXXX", path);
	json_auto_t *document = json_pack("{s:s, s:s, s:s, s:I}", "url", credentials->url, "login",
					  credentials->login, "token", credentials->token,
					  "token_id", (json_int_t)credentials->token_id);
	CHAR_AUTO text = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
	if (!fresh || !text)
		return err_oom(err);
	int fd = mkostemp(fresh, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return err_set_errno(err, ERR_INVALID, errno, "cannot write beside %s", path);
	int rc = write_all(fd, text);
	close(fd);
	if (rc == 0 && rename(fresh, path) < 0)
		rc = -errno;
	if (rc < 0) {
		(void)unlink(fresh);
		return err_set_errno(err, ERR_INVALID, -rc, "cannot write %s", path);
	}
	return 0;
}

int credentials_remove(struct arena *arena, struct err *err)
{
	const char *path;

	if (path_of(arena, &path, err) < 0)
		return -1;
	if (unlink(path) < 0 && errno != ENOENT)
		return err_set_errno(err, ERR_INVALID, errno, "cannot remove %s", path);
	return 0;
}
