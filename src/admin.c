#include "admin.h"

#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/account.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "config.h"
#include "datadir.h"
#include "store/db.h"

static const char usage[] =
	"Usage: dure admin add-account LOGIN [--role user|provider|operator] [--data-dir DIR]\n"
	"       dure admin reset-password LOGIN [--data-dir DIR]\n\n"
	"Works on the data directory itself while `dure serve` is stopped. The password is read\n"
	"from the standard input (one line).\n";

struct request {
	const char *verb;
	const char *login;
	const char *role;
	char password[LIMIT_PASSWORD_BYTES + 2];
};

static int read_password(struct request *request, struct err *err)
{
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "Password for %s (one line): ", request->login);
	if (!fgets(request->password, (int)sizeof(request->password), stdin))
		return err_set(err, ERR_INVALID, "no password on the standard input");
	request->password[strcspn(request->password, "\n")] = '\0';
	return 0;
}

/* Takes what is the request's out of argv and leaves the rest for config_load(). */
static int parse(int argc, char **argv, struct request *request, int *ret_rest, char **rest,
		 struct err *err)
{
	int n = 1;

	rest[0] = argv[0];
	for (int i = 1; i < argc; i++) {
		if (str_equal(argv[i], "--role") && i + 1 < argc)
			request->role = argv[++i];
		else if (str_starts(argv[i], "--") && !strchr(argv[i], '=') && i + 1 < argc) {
			rest[n++] = argv[i];
			rest[n++] = argv[++i];
		} else if (str_starts(argv[i], "--"))
			rest[n++] = argv[i];
		else if (!request->verb)
			request->verb = argv[i];
		else if (!request->login)
			request->login = argv[i];
		else
			return err_set(err, ERR_INVALID, "\"%s\" is one word too many", argv[i]);
	}
	*ret_rest = n;
	if (!request->verb || !request->login)
		return err_set(err, ERR_INVALID, "a verb and a login are needed");
	return 0;
}

static int role_of(const char *word, enum role *ret_role, struct err *err)
{
	for (enum role role = ROLE_USER; role <= ROLE_OPERATOR; role++)
		if (str_equal(word, account_role_name(role))) {
			*ret_role = role;
			return 0;
		}
	return err_set(err, ERR_INVALID, "--role: \"%s\" is none of user, provider, operator",
		       word);
}

static int carry_out(const struct request *request, struct db *db, struct env *env, struct err *err)
{
	enum role role = ROLE_USER;
	int64_t id;

	if (str_equal(request->verb, "reset-password"))
		return account_password_reset(db, env, request->login, request->password, err);
	if (!str_equal(request->verb, "add-account"))
		return err_set(err, ERR_INVALID, "there is no verb \"%s\"", request->verb);
	if (role_of(request->role, &role, err) < 0)
		return -1;
	return account_create(db, env, request->login, request->password, role, &id, err);
}

static int run(const struct request *request, const struct config *config, struct err *err)
{
	struct log log = { STDERR_FILENO, LOG_LEVEL_WARNING, false };
	struct env env = env_system(&log);
	char path[PATH_MAX];
	struct db *db = NULL;
	int lock = -1;

	if (sodium_init() < 0)
		return err_set(err, ERR_INTERNAL, "libsodium does not start");
	if (datadir_open(config->data_dir, &lock, err) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/dure.db", config->data_dir);
	struct db_options options = { .env = &env, .path = path };
	int r = db_open(&options, &db, err);
	if (r == 0)
		r = carry_out(request, db, &env, err);
	db = db_close(db);
	(void)close(lock);
	return r;
}

int admin_main(int argc, char **argv)
{
	struct request request = { .role = "user" };
	CONFIG_AUTO(config);
	ERR_AUTO(err);
	int n_rest = 0;

	char **rest = calloc((size_t)argc + 1, sizeof(*rest));
	if (!rest)
		return 1;
	int r = parse(argc, argv, &request, &n_rest, rest, &err);
	if (r == 0)
		r = config_load(n_rest, rest, &config, &err);
	if (r == 0)
		r = read_password(&request, &err);
	if (r == 0)
		r = run(&request, &config, &err);
	free(rest);
	sodium_memzero(request.password, sizeof(request.password));
	if (r < 0) {
		fprintf(stderr, "dure admin: %s\n\n%s", err.message, usage);
		return 1;
	}
	printf("done: %s %s\n", request.verb, request.login);
	return 0;
}
