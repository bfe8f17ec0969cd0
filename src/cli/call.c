/* What verbs need around a call: the client, lists, paths, members of answers. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/strings.h"
#include "base/timefmt.h"
#include "cli/app.h"
#include "cli/credentials.h"
#include "cli/report.h"
#include "cli/text.h"

#define URL_DEFAULT "http://127.0.0.1:8080" /* where `dure serve` listens by itself */

static size_t url_length(const char *url)
{
	size_t length = strlen(url);

	while (length > 0 && url[length - 1] == '/')
		length--;
	return length;
}

static bool same_url(const char *a, const char *b)
{
	return url_length(a) == url_length(b) && strncmp(a, b, url_length(a)) == 0;
}

/* Where to and as whom: flags, environment, credentials file. */
static int choose(struct cli *cli, const char **ret_url, const char **ret_token, struct err *err)
{
	struct credentials saved = { 0 };
	bool found = false;
	const char *url = cli->url_flag ? cli->url_flag : getenv("DURE_URL");
	const char *token = cli->token_flag ? cli->token_flag : getenv("DURE_TOKEN");

	if ((str_empty(url) || str_empty(token)) &&
	    credentials_load(cli->arena, &saved, &found, err) < 0)
		return -1;
	if (str_empty(url))
		url = found ? saved.url : URL_DEFAULT;
	if (str_empty(token))
		token = found && same_url(saved.url, url) ? saved.token : NULL;
	for (const char *c = token; c && *c; c++)
		if (*c <= ' ' || *c > '~')
			return err_set(err, ERR_INVALID,
				       "the token has characters that no token "
				       "has; is it whole and without a newline?");
	*ret_url = url;
	*ret_token = token;
	return 0;
}

int cli_url(struct cli *cli, const char **ret_url, struct err *err)
{
	const char *token;

	return choose(cli, ret_url, &token, err);
}

int cli_client(struct cli *cli, struct client **ret_client, struct err *err)
{
	const char *url, *token;

	assert(cli->magic == CLI_MAGIC);
	if (!cli->client && (choose(cli, &url, &token, err) < 0 ||
			     client_new(url, token, cli->request_timeout_s, &cli->client, err) < 0))
		return -1;
	*ret_client = cli->client;
	return 0;
}

int cli_call(struct cli *cli, const char *method, const char *path, const json_t *body,
	     json_t **ret_answer, struct err *err)
{
	struct client *client;

	if (cli_client(cli, &client, err) < 0 ||
	    client_call(client, method, path, body, ret_answer, err) < 0)
		return -1;
	if (ret_answer && !*ret_answer)
		return err_set(err, ERR_INTERNAL, "%s answered %s %s with nothing",
			       client_url(client), method, path);
	return 0;
}

const char *cli_escape(struct cli *cli, const char *segment)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = arena_alloc(cli->arena, strlen(segment) * 3 + 1);
	char *end = out;

	for (const unsigned char *c = (const unsigned char *)segment; out && *c; c++) {
		if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		    (*c >= '0' && *c <= '9') || strchr("-._~", *c)) {
			*end++ = (char)*c;
			continue;
		}
		*end++ = '%';
		*end++ = digits[*c >> 4];
		*end++ = digits[*c & 15];
	}
	return out ? out : "";
}

int cli_workload_path(struct cli *cli, int64_t *ret_ser, const char **ret_path, struct err *err)
{
	const char *word = cli->args.words[0];

	if (str_to_int64(word, 1, INT64_MAX, ret_ser) < 0)
		return err_set(err, ERR_INVALID,
			       "\"%s\" is not a workload's number; dure workload list shows them",
			       word);
	*ret_path = arena_printf(cli->arena, "/workloads/%" PRId64, *ret_ser);
	return *ret_path ? 0 : err_oom(err);
}

int cli_read_json(const char *file, json_t **ret_object, struct err *err)
{
	BUF_AUTO text = BUF_INIT(LIMIT_BODY_BYTES);
	bool standard = str_equal(file, "-");
	FILE *stream = standard ? stdin : fopen(file, "re");
	const char *name = standard ? "the standard input" : file;
	char piece[4096];
	json_error_t where;
	size_t got;

	if (!stream)
		return err_set_errno(err, ERR_INVALID, errno, "cannot read %s", name);
	while ((got = fread(piece, 1, sizeof(piece), stream)) > 0)
		buf_append(&text, piece, got);
	bool broken = ferror(stream) != 0;
	if (!standard)
		fclose(stream);
	if (broken)
		return err_set(err, ERR_INVALID, "cannot read %s", name);
	if (text.failed)
		return err_set(err, ERR_INVALID, "%s is larger than %d KiB", name,
			       LIMIT_BODY_BYTES / 1024);
	json_t *object =
		json_loadb(text.data ? text.data : "", text.length, JSON_REJECT_DUPLICATES, &where);
	if (!object)
		return err_set(err, ERR_INVALID, "%s is not JSON: line %d, column %d: %s", name,
			       where.line, where.column, where.text);
	if (!json_is_object(object)) {
		json_decref(object);
		return err_set(err, ERR_INVALID, "%s does not hold a JSON object", name);
	}
	*ret_object = object;
	return 0;
}

/* One page; *ret_next is its cursor, NULL at the end. */
static int fetch_page(struct cli *cli, const char *path, const char *query, const char *cursor,
		      json_t **ret_answer, const char **ret_next, struct err *err)
{
	const char *full = arena_printf(cli->arena, "%s%s%s%s", path, query,
					cursor ? (*query ? "&cursor=" : "?cursor=") : "",
					cursor ? cli_escape(cli, cursor) : "");
	json_auto_t *answer = NULL;

	if (!full)
		return err_oom(err);
	if (cli_call(cli, "GET", full, NULL, &answer, err) < 0)
		return -1;
	if (!json_is_array(json_object_get(answer, "items")))
		return err_set(err, ERR_INTERNAL, "the server's answer to GET %s is not a list",
			       path);
	const char *next = json_string_value(json_object_get(answer, "next"));
	*ret_next = next ? arena_strdup(cli->arena, next) : NULL;
	*ret_answer = json_incref(answer);
	return 0;
}

int cli_list(struct cli *cli, const char *path, const char *query, json_t **ret_answer,
	     struct err *err)
{
	json_auto_t *answer = NULL;
	const char *next = NULL;

	if (fetch_page(cli, path, query, args_value(&cli->args, "cursor"), &answer, &next, err) < 0)
		return -1;
	while (next && args_has(&cli->args, "all")) {
		const char *cursor = next;
		json_auto_t *page = NULL;
		if (fetch_page(cli, path, query, cursor, &page, &next, err) < 0)
			return -1;
		if (json_array_size(json_object_get(page, "items")) == 0)
			break; /* a cursor that leads nowhere would be followed for ever */
		(void)json_array_extend(json_object_get(answer, "items"),
					json_object_get(page, "items"));
		(void)json_object_set(answer, "next", json_object_get(page, "next"));
	}
	*ret_answer = json_incref(answer);
	return 0;
}

const json_t *member_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

const char *member_text(struct cli *cli, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	const char *clean = text ? text_line(cli->arena, text) : NULL;

	return clean ? clean : "";
}

int64_t member_int(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool member_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

int64_t member_time(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	int64_t time_us;

	return text && timefmt_parse_rfc3339(text, &time_us) == 0 ? time_us : 0;
}
