/* What the files of the client share: one run of `dure`, its verbs, flags and arguments. */
#ifndef DURE_CLI_APP_H
#define DURE_CLI_APP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "cli/client.h"

#define CLI_MAGIC UINT32_C(0xc11e7001)
#define CLI_ARENA_BYTES (256u * 1024 * 1024) /* a table of every workload of an account */

/* Exit statuses (DESIGN.md, Errors). */
enum cli_exit { CLI_OK, CLI_USAGE, CLI_API, CLI_AUTH, CLI_NETWORK };

/* How a flag's text becomes JSON. */
enum flag_kind {
	FLAG_SWITCH, /* no value; true */
	FLAG_OFF,    /* no value; false */
	FLAG_NULL,   /* no value; null: back to the default */
	FLAG_TEXT,
	FLAG_TEXT_LIST, /* may be repeated: an array */
	FLAG_INTEGER,
	FLAG_POINTS, /* µP */
	FLAG_SIZE,   /* MB */
	FLAG_CPU,    /* thousandths */
	FLAG_ON_OFF,
	FLAG_WORD,      /* "docker-hub" → "docker_hub" */
	FLAG_TARGET,    /* "2" or "tier2" → "tier2", "any" */
	FLAG_GPU,       /* MODEL[:COUNT], N or none → an object */
	FLAG_ENV,       /* NAME=VALUE, or NAME from our own environment; may be repeated */
	FLAG_ENV_FILE,  /* lines of NAME=VALUE */
	FLAG_ENV_UNSET, /* NAME → null */
};

struct flag {
	const char *name; /* NULL ends a list */
	int letter;       /* short form or 0 */
	const char *metavar;
	const char *help;
	enum flag_kind kind;
	const char *pointer; /* JSON pointer of the member it sets; NULL: the verb asks for it */
	bool nullable;       /* "none" sends null */
};

struct given {
	const struct flag *flag;
	const char *value; /* NULL for switches */
};

struct args {
	const char **words; /* not flags, in order */
	size_t n_words;
	const char **command; /* what stood behind "--" */
	size_t n_command;
	bool has_command;
	struct given *given;
	size_t n_given;
};

struct cli {
	uint32_t magic;
	struct arena *arena;   /* everything that lives as long as the run */
	struct client *client; /* made by cli_client() */
	const struct verb *verb;
	struct args args;
	const char *url_flag, *token_flag;
	int64_t request_timeout_s;
	bool json, quiet;
	bool color;     /* on stdout */
	bool color_err; /* on stderr */
	bool live;      /* stderr is a terminal: progress is redrawn in place */
	size_t columns; /* of stdout's terminal; 0: not one */
};

struct verb {
	const char *group; /* "workload", …; NULL for a verb of its own */
	const char *name;
	const char *words; /* how its arguments are written in the help */
	size_t min_words, max_words;
	bool takes_command; /* words behind "--" */
	const struct flag *flags;
	const char *summary;
	const char *example;
	/* An exit status, or negative with `err` filled. */
	int (*run)(struct cli *cli, struct err *err);
};

/* The value of the last flag of that name; NULL when it was not given ("" for a switch). */
const char *args_value(const struct args *args, const char *name);
static inline bool args_has(const struct args *args, const char *name)
{
	return args_value(args, name) != NULL;
}

/* Sets the members that flags with a pointer ask for; all bad flags at once (ERR_FIELDS, pointers
 * are the flags' names). */
int flags_apply(struct cli *cli, json_t *body, struct err *err);
/* The same as a query string: "?tier=2&available=true", or "". NULL with `err` filled. */
const char *flags_query(struct cli *cli, struct err *err);

/* The client for the chosen server with the chosen token: flags, then DURE_URL and DURE_TOKEN, then
 * what `login` saved. A saved token goes to the server it was made by and to no other. */
int cli_client(struct cli *cli, struct client **ret_client, struct err *err);
/* The server's URL by the same rule, without a client. */
int cli_url(struct cli *cli, const char **ret_url, struct err *err);

/* A call whose answer is an object that the verb goes on to read. */
int cli_call(struct cli *cli, const char *method, const char *path, const json_t *body,
	     json_t **ret_answer, struct err *err);
/* Printf for request paths; each %s must already be escaped (cli_escape). */
const char *cli_escape(struct cli *cli, const char *segment);
/* The workload number in words[0] → "/workloads/<ser>" */
int cli_workload_path(struct cli *cli, int64_t *ret_ser, const char **ret_path, struct err *err);
/* Reads a JSON object from `file` ("-": stdin). */
int cli_read_json(const char *file, json_t **ret_object, struct err *err);
/* Fetches a list: one page, or all with --all; obeys --limit and --cursor. `query`: "" or "?…" */
int cli_list(struct cli *cli, const char *path, const char *query, json_t **ret_answer,
	     struct err *err);

/* Members of an answer, made harmless; fallbacks when absent. */
const char *member_text(struct cli *cli, const json_t *object, const char *key);
int64_t member_int(const json_t *object, const char *key);
bool member_true(const json_t *object, const char *key);
const json_t *member_of(const json_t *object, const char *key); /* NULL also for null */
/* RFC 3339 → µs; 0 when null or unreadable */
int64_t member_time(const json_t *object, const char *key);

/* All verbs, group by group, for the help; ends with NULL. */
const struct verb *cli_verb_at(size_t index);
/* The verb that words[0] (and words[1]) name; *ret_used is how many of them. NULL with `err` filled
 * and the nearest name suggested. A group alone gives NULL and no error: *ret_group is set. */
const struct verb *cli_verb_find(struct cli *cli, const char *const *words, size_t count,
				 size_t *ret_used, const char **ret_group, struct err *err);
/* The verbs (of one group, or all) as text for the help. */
const char *cli_verbs_text(struct cli *cli, const char *group);
/* argp over one verb's flags and the common ones; fills cli->args. Ends the process for --help and
 * for what is no flag. `argv[0]` is the verb as it was typed. */
void cli_parse(struct cli *cli, const struct verb *verb, int argc, char **argv);
/* Takes the common flags in front of the verb; returns the index of the verb's word. */
int cli_parse_front(struct cli *cli, int argc, char **argv);

/* Verb lists, one per file; ended by a NULL name. */
extern const struct verb verbs_access[];
extern const struct verb verbs_token[];
extern const struct verb verbs_server[];
extern const struct verb verbs_workload[];
extern const struct verb verbs_deploy[];
extern const struct verb verbs_gpu[];
extern const struct verb verbs_node[];

#endif
