#include "registry/reference.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/strings.h"

#define PATH_MAX_BYTES 255 /* distribution's RepositoryNameTotalLengthMax */
#define TAG_MAX_BYTES 128
#define PORT_MAX 65535
#define SHA256_HEX 64
#define DOCKER_HUB "docker.io"

/* A piece of the text under inspection; never NUL-terminated. */
struct piece {
	const char *data;
	size_t length;
};

/* What the text falls into before any piece is checked. */
struct pieces {
	struct piece domain; /* data NULL: none */
	struct piece path;
	struct piece tag;    /* data NULL: no ':' */
	struct piece digest; /* data NULL: no '@' */
};

/* ASCII only: the grammar knows no others, and isalnum() asks the locale. */
static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_alnum(char c) { return is_lower(c) || is_upper(c) || is_digit(c); }
static bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

static const char *piece_find(struct piece piece, char c)
{
	return piece.length ? memchr(piece.data, c, piece.length) : NULL;
}

static bool piece_equal(struct piece piece, const char *word)
{
	return piece.length == strlen(word) && memcmp(piece.data, word, piece.length) == 0;
}

/* "character 'X'" for what can be shown, the byte's number for what cannot. */
static const char *show(char c, char out[24])
{
	if (c > ' ' && c < 0x7f)
		(void)snprintf(out, 24, "'%c'", c);
	else
		(void)snprintf(out, 24, "byte 0x%02x", (unsigned char)c);
	return out;
}

/* Before anything is taken apart: the mistakes that would make every later sentence misleading. */
static int check_whole(const char *text, struct err *err)
{
	size_t length = strlen(text);

	if (length == 0)
		return err_set(err, ERR_INVALID, "the image reference is empty");
	if (length > LIMIT_IMAGE_BYTES)
		return err_set(err, ERR_INVALID,
			       "the image reference has %zu bytes; at most %d are allowed", length,
			       LIMIT_IMAGE_BYTES);
	for (size_t i = 0; i < length; i++) {
		char shown[24];
		if (text[i] > ' ' && text[i] < 0x7f)
			continue;
		if (text[i] == ' ')
			return err_set(err, ERR_INVALID,
				       "the image reference has a space at position %zu", i + 1);
		return err_set(err, ERR_INVALID,
			       "the image reference has %s at position %zu; only ASCII letters, "
			       "digits and . _ - : / @ are allowed",
			       show(text[i], shown), i + 1);
	}
	const char *scheme = strstr(text, "://");
	if (scheme)
		return err_set(err, ERR_INVALID,
			       "an image reference is not a URL: leave out \"%.*s\"",
			       (int)(scheme + 3 - text > 64 ? 64 : scheme + 3 - text), text);
	return 0;
}

/* The first of several '/'-separated parts is a domain when it could not be a path: it has a dot
 * or a port, or is localhost. (Docker also takes upper-case letters for a sign of a domain; here
 * they are a mistake in the path, which is what people who write "MyName/app" have made.) */
static bool looks_like_domain(struct piece first)
{
	return piece_find(first, '.') || piece_find(first, ':') || piece_equal(first, "localhost");
}

static struct pieces take_apart(const char *text)
{
	struct pieces pieces = { { NULL, 0 }, { text, strlen(text) }, { NULL, 0 }, { NULL, 0 } };
	struct piece *path = &pieces.path;
	const char *end = text + path->length;
	const char *at = piece_find(*path, '@');

	if (at) {
		pieces.digest = (struct piece){ at + 1, (size_t)(end - at - 1) };
		path->length = (size_t)(at - text);
	}
	const char *slash = piece_find(*path, '/');
	if (slash) {
		struct piece first = { text, (size_t)(slash - text) };
		if (looks_like_domain(first)) {
			pieces.domain = first;
			path->data = slash + 1;
			path->length -= first.length + 1;
		}
	}
	for (size_t i = path->length; i > 0 && path->data[i - 1] != '/'; i--)
		if (path->data[i - 1] == ':') {
			pieces.tag = (struct piece){ path->data + i, path->length - i };
			path->length = i - 1;
			break;
		}
	return pieces;
}

static int check_port(struct piece port, struct err *err)
{
	long number = 0;

	for (size_t i = 0; i < port.length; i++) {
		if (!is_digit(port.data[i]) || number > PORT_MAX)
			number = PORT_MAX + 1;
		else
			number = number * 10 + (port.data[i] - '0');
	}
	if (number >= 1 && number <= PORT_MAX)
		return 0;
	return err_set(
		err, ERR_INVALID,
		"\"%.*s\" is not a port of the image's registry; it is a number from 1 to %d",
		(int)port.length, port.data, PORT_MAX);
}

static int check_ipv6(struct piece host, struct err *err)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (host.length - 2 < sizeof(text)) {
		memcpy(text, host.data + 1, host.length - 2);
		text[host.length - 2] = '\0';
		if (inet_pton(AF_INET6, text, &address) == 1)
			return 0;
	}
	return err_set(err, ERR_INVALID, "\"%.*s\" is not an IPv6 address in brackets",
		       (int)host.length, host.data);
}

/* Components of letters, digits and inner hyphens, separated by dots; IPv4 addresses are such. */
static int check_host(struct piece host, struct err *err)
{
	size_t start = 0;

	for (size_t i = 0; i <= host.length; i++) {
		char shown[24];
		if (i < host.length && (is_alnum(host.data[i]) || host.data[i] == '-'))
			continue;
		if (i < host.length && host.data[i] != '.')
			return err_set(err, ERR_INVALID,
				       "the registry host \"%.*s\" has %s; it is made of letters, "
				       "digits, hyphens and dots",
				       (int)host.length, host.data, show(host.data[i], shown));
		if (i == start)
			return err_set(err, ERR_INVALID,
				       "the registry host \"%.*s\" has an empty part",
				       (int)host.length, host.data);
		if (host.data[start] == '-' || host.data[i - 1] == '-')
			return err_set(err, ERR_INVALID,
				       "a part of the registry host \"%.*s\" begins or ends with a "
				       "hyphen",
				       (int)host.length, host.data);
		start = i + 1;
	}
	return 0;
}

static int check_domain(struct piece domain, struct err *err)
{
	struct piece host = domain;
	const char *colon = piece_find(domain, ':');

	if (domain.length && domain.data[0] == '[') {
		const char *close = piece_find(domain, ']');
		if (!close)
			return err_set(err, ERR_INVALID,
				       "the registry host \"%.*s\" has an opening bracket only",
				       (int)domain.length, domain.data);
		host.length = (size_t)(close + 1 - domain.data);
		colon = host.length < domain.length ? close + 1 : NULL;
		if (colon && *colon != ':')
			return err_set(
				err, ERR_INVALID,
				"only a port may follow the address in the registry host \"%.*s\"",
				(int)domain.length, domain.data);
		if (check_ipv6(host, err) < 0)
			return -1;
	} else {
		if (colon)
			host.length = (size_t)(colon - domain.data);
		if (check_host(host, err) < 0)
			return -1;
	}
	if (!colon)
		return 0;
	return check_port(
		(struct piece){ colon + 1, (size_t)(domain.data + domain.length - colon - 1) },
		err);
}

/* Length of the separator ('.', '_', '__' or hyphens) at the start of `rest`; 0: none. */
static size_t separator_length(struct piece rest)
{
	size_t length = 0;

	if (rest.length == 0)
		return 0;
	if (rest.data[0] == '.')
		return 1;
	if (rest.data[0] == '_')
		return rest.length > 1 && rest.data[1] == '_' ? 2 : 1;
	while (length < rest.length && rest.data[length] == '-')
		length++;
	return length;
}

static int check_component(struct piece part, struct err *err)
{
	if (part.length == 0)
		return err_set(err, ERR_INVALID,
			       "the image path has an empty part (a '/' too many)");
	for (size_t i = 0; i < part.length;) {
		char shown[24], c = part.data[i];
		if (is_lower(c) || is_digit(c)) {
			i++;
			continue;
		}
		if (is_upper(c))
			return err_set(
				err, ERR_INVALID,
				"the image path \"%.*s\" has the upper-case letter '%c'; only the "
				"tag may have upper-case letters",
				(int)part.length, part.data, c);
		size_t separator =
			separator_length((struct piece){ part.data + i, part.length - i });
		if (separator == 0)
			return err_set(err, ERR_INVALID,
				       "the image path \"%.*s\" has %s; it is made of lower-case "
				       "letters, digits and . _ -",
				       (int)part.length, part.data, show(c, shown));
		if (i == 0 || i + separator == part.length)
			return err_set(
				err, ERR_INVALID,
				"a part of the image path, \"%.*s\", begins or ends with '%c'",
				(int)part.length, part.data, c);
		i += separator;
		if (separator_length((struct piece){ part.data + i, part.length - i }) > 0)
			return err_set(
				err, ERR_INVALID,
				"the image path \"%.*s\" has the separators \"%.*s\" in a row",
				(int)part.length, part.data, (int)separator + 1,
				part.data + i - separator);
	}
	return 0;
}

static int check_path(struct piece path, struct err *err)
{
	size_t start = 0;

	if (path.length == 0)
		return err_set(err, ERR_INVALID, "the image reference has no image name");
	for (size_t i = 0; i <= path.length; i++) {
		if (i < path.length && path.data[i] != '/')
			continue;
		if (check_component((struct piece){ path.data + start, i - start }, err) < 0)
			return -1;
		start = i + 1;
	}
	return 0;
}

static int check_tag(struct piece tag, struct err *err)
{
	if (tag.length == 0)
		return err_set(err, ERR_INVALID, "the tag behind ':' is empty");
	if (tag.length > TAG_MAX_BYTES)
		return err_set(err, ERR_INVALID,
			       "the tag has %zu characters; at most %d are allowed", tag.length,
			       TAG_MAX_BYTES);
	for (size_t i = 0; i < tag.length; i++) {
		char shown[24], c = tag.data[i];
		if (is_alnum(c) || c == '_' || (i > 0 && (c == '.' || c == '-')))
			continue;
		return err_set(
			err, ERR_INVALID,
			i == 0 ? "the tag \"%.*s\" begins with %s; a letter, a digit or _ "
				 "must come first"
			       : "the tag \"%.*s\" has %s; it is made of letters, digits and "
				 ". _ -",
			(int)tag.length, tag.data, show(c, shown));
	}
	return 0;
}

static int check_digest(struct piece digest, struct err *err)
{
	const char prefix[] = "sha256:";
	size_t skip = strlen(prefix);

	if (digest.length < skip || memcmp(digest.data, prefix, skip) != 0)
		return err_set(err, ERR_INVALID,
			       "the digest behind '@' must begin with \"sha256:\"");
	if (digest.length - skip != SHA256_HEX)
		return err_set(err, ERR_INVALID,
			       "the digest has %zu hexadecimal digits; sha256 has %d",
			       digest.length - skip, SHA256_HEX);
	for (size_t i = skip; i < digest.length; i++) {
		char shown[24];
		if (!is_hex(digest.data[i]))
			return err_set(
				err, ERR_INVALID,
				"the digest has %s at its hexadecimal digit %zu; only 0-9 and "
				"a-f are allowed",
				show(digest.data[i], shown), i - skip + 1);
	}
	return 0;
}

/* Host names do not care about case; written in lower case they can be compared. */
static char *lower_copy(struct piece piece, struct arena *arena)
{
	char *copy = arena_strndup(arena, piece.data, piece.length);

	for (char *c = copy; c && *c; c++)
		if (is_upper(*c))
			*c = (char)(*c - 'A' + 'a');
	return copy;
}

static int build(const struct pieces *pieces, const char *default_domain, struct arena *arena,
		 struct reference *ret_reference, struct err *err)
{
	struct reference built = { .domain = default_domain };
	const char *library = "";

	if (pieces->domain.data)
		built.domain = lower_copy(pieces->domain, arena);
	else
		built.domain = arena_strdup(arena, default_domain);
	if (str_equal(built.domain, "index.docker.io")) /* Docker Hub's old name */
		built.domain = DOCKER_HUB;
	if (str_equal(built.domain, DOCKER_HUB) && !piece_find(pieces->path, '/'))
		library = "library/";
	built.path =
		arena_printf(arena, "%s%.*s", library, (int)pieces->path.length, pieces->path.data);
	if (pieces->tag.data)
		built.tag = arena_strndup(arena, pieces->tag.data, pieces->tag.length);
	else if (!pieces->digest.data)
		built.tag = "latest";
	if (pieces->digest.data)
		built.digest = arena_strndup(arena, pieces->digest.data, pieces->digest.length);
	if (!built.domain || !built.path || (pieces->tag.data && !built.tag) ||
	    (pieces->digest.data && !built.digest))
		return err_oom(err);
	size_t length = strlen(built.path); /* with library/: the canonical form keeps to it too */
	if (length > PATH_MAX_BYTES)
		return err_set(err, ERR_INVALID,
			       "the image path has %zu characters; at most %d are allowed", length,
			       PATH_MAX_BYTES);
	built.canonical = arena_printf(arena, "%s/%s%s%s%s%s", built.domain, built.path,
				       built.tag ? ":" : "", built.tag ? built.tag : "",
				       built.digest ? "@" : "", built.digest ? built.digest : "");
	if (!built.canonical)
		return err_oom(err);
	if (strlen(built.canonical) > LIMIT_IMAGE_BYTES)
		return err_set(
			err, ERR_INVALID,
			"the image reference written out in full has %zu bytes; at most %d are "
			"allowed",
			strlen(built.canonical), LIMIT_IMAGE_BYTES);
	*ret_reference = built;
	return 0;
}

/* 64 hexadecimal digits alone name an image by its id, which means something else on every machine.
 */
static bool looks_like_id(struct piece path)
{
	size_t i = 0;

	while (i < path.length && is_hex(path.data[i]))
		i++;
	return i == path.length && i == SHA256_HEX;
}

int reference_parse(const char *text, const char *default_domain, struct arena *arena,
		    struct reference *ret_reference, struct err *err)
{
	if (check_whole(text, err) < 0)
		return -1;
	struct pieces pieces = take_apart(text);
	if (pieces.domain.data && check_domain(pieces.domain, err) < 0)
		return -1;
	if (check_path(pieces.path, err) < 0)
		return -1;
	if (pieces.tag.data && check_tag(pieces.tag, err) < 0)
		return -1;
	if (pieces.digest.data && check_digest(pieces.digest, err) < 0)
		return -1;
	if (!pieces.domain.data && looks_like_id(pieces.path))
		return err_set(
			err, ERR_INVALID,
			"the image reference is an image id; give the image's name and tag, or "
			"name@sha256:digest");
	if (!pieces.domain.data && !default_domain)
		return err_set(
			err, ERR_INVALID,
			"the image reference \"%.100s\" must begin with the registry's host, "
			"as in registry.example.com/%.100s",
			text, text);
	return build(&pieces, default_domain, arena, ret_reference, err);
}
