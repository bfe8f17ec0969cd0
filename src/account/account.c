/* Accounts: making, finding and changing them. */
#include "account/account.h"

#include <assert.h>
#include <string.h>

#include "account/internal.h"
#include "base/fields.h"
#include "base/limits.h"
#include "base/strings.h"

#define OPERATOR_LOGIN "operator"
#define FIRST_PASSWORD_CHARACTERS 20 /* of 5 bits: 100 bits */
#define FIRST_PASSWORD_GROUP 5       /* xxxxx-xxxxx-xxxxx-xxxxx is read and typed without slips */

static const char *const role_names[] = {
	[ROLE_NOBODY] = "nobody",
	[ROLE_USER] = "user",
	[ROLE_PROVIDER] = "provider",
	[ROLE_OPERATOR] = "operator",
};

const char *account_role_name(enum role role)
{
	assert(role >= ROLE_NOBODY && role <= ROLE_OPERATOR);
	return role_names[role];
}

enum role role_parse(const char *name)
{
	for (enum role role = ROLE_USER; role <= ROLE_OPERATOR; role++)
		if (str_equal(name, role_names[role]))
			return role;
	return ROLE_NOBODY;
}

int field_fail(const char *field, const char *code, const char *allowed, const char *message,
	       struct err *err)
{
	FIELDS_AUTO(fields);
	const struct fields_object at = { &fields, NULL, "" };

	fields_bad(&at, field, code, allowed, "%s", message);
	return fields_finish(&fields, "account", err);
}

struct lookup {
	const char *login;
	int64_t id;
	struct account_record *record;
};

static int lookup_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct lookup *lookup = argument;
	struct account_record *record = lookup->record;
	DB_ROWS_AUTO rows = NULL;

	const char *sql = lookup->login ? "SELECT id, role, active, login, password_hash "
					  "FROM account WHERE login = $1"
					: "SELECT id, role, active, login, password_hash "
					  "FROM account WHERE id = $1";
	if (db_query(tx, sql, DB_ARGS(lookup->login ? db_text(lookup->login) : db_int(lookup->id)),
		     &rows, err) < 0)
		return -1;
	int r = db_rows_next(rows, err);
	if (r < 0)
		return -1;
	if (r == 0)
		return err_set(err, ERR_NOT_FOUND, "there is no account %s",
			       lookup->login ? lookup->login : "of this number");
	record->id = db_rows_int(rows, 0);
	record->role = role_parse(db_rows_text(rows, 1));
	record->active = db_rows_int(rows, 2) != 0;
	str_copy(record->login, sizeof(record->login), db_rows_text(rows, 3));
	str_copy(record->password_hash, sizeof(record->password_hash), db_rows_text(rows, 4));
	return 0;
}

int account_load(struct db *db, const char *login, int64_t id, struct account_record *ret,
		 struct err *err)
{
	struct account_record record = { 0 };
	struct lookup lookup = { .login = login, .id = login ? 0 : id, .record = &record };

	assert(login || id != 0);
	if (db_read(db, lookup_run, &lookup, err) < 0)
		return -1;
	*ret = record;
	return 0;
}

struct creation {
	const char *login;
	const char *password_hash;
	enum role role;
	int64_t now;
	bool only_first; /* nothing happens when there is an account already */
	int64_t id;      /* out; 0 when nothing happened */
};

static int creation_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct creation *creation = argument;
	int64_t count = 0;

	creation->id = 0;
	if (creation->only_first) {
		if (db_query_int(tx, "SELECT count(*) FROM account", DB_NO_ARGS, &count, err) < 0)
			return -1;
		if (count > 0)
			return 0;
	}
	if (db_insert(tx,
		      "INSERT INTO account (login, role, password_hash, created_at) "
		      "VALUES ($1, $2, $3, $4) RETURNING id",
		      DB_ARGS(db_text(creation->login), db_text(account_role_name(creation->role)),
			      db_text(creation->password_hash), db_int(creation->now)),
		      &creation->id, err) == 0)
		return 0;
	if (err->code == ERR_CONFLICT)
		return err_set(err, ERR_CONFLICT, "the login %s is taken", creation->login);
	return -1;
}

/* Printable without spaces, so that it can be typed, quoted and logged. */
static int login_check(const char *login, struct err *err)
{
	static const char allowed[] = "1 to 128 bytes of UTF-8 without spaces";
	size_t size = strlen(login);

	static_assert(LIMIT_LOGIN_BYTES == 128, "the sentence above says so");
	static_assert(sizeof(((struct actor *)0)->login) == LIMIT_LOGIN_BYTES + 1, "it fits");
	if (size == 0 || size > LIMIT_LOGIN_BYTES)
		return field_fail("login", "length", allowed, "the login has the wrong length",
				  err);
	if (!utf8_valid(login, size))
		return field_fail("login", "format", allowed, "the login is not UTF-8", err);
	for (const char *at = login; *at; at++)
		if ((unsigned char)*at <= ' ' || *at == 0x7f)
			return field_fail("login", "format", allowed,
					  "the login has a space or control character in it", err);
	return 0;
}

int account_create(struct db *db, struct env *env, const char *login, const char *password,
		   enum role role, int64_t *ret_id, struct err *err)
{
	char hash[ACCOUNT_PASSWORD_HASH_SIZE];

	assert(role > ROLE_NOBODY && role <= ROLE_OPERATOR);
	if (login_check(login, err) < 0 || password_check(password, "password", err) < 0 ||
	    account_password_hash(password, hash, err) < 0)
		return -1;
	struct creation creation = {
		.login = login, .password_hash = hash, .role = role, .now = env_now(env)
	};
	if (db_write(db, creation_run, &creation, err) < 0)
		return -1;
	if (ret_id)
		*ret_id = creation.id;
	return 0;
}

/* Letters and digits that nobody mistakes for each other. */
static void first_password_make(struct env *env, char *out)
{
	static const char alphabet[32] = "abcdefghjkmnpqrstuvwxyz023456789";
	unsigned char bytes[FIRST_PASSWORD_CHARACTERS];
	size_t length = 0;

	env_random(env, bytes, sizeof(bytes));
	for (size_t i = 0; i < FIRST_PASSWORD_CHARACTERS; i++) {
		if (i > 0 && i % FIRST_PASSWORD_GROUP == 0)
			out[length++] = '-';
		out[length++] = alphabet[bytes[i] % sizeof(alphabet)];
	}
	out[length] = '\0';
}

static int any_account(struct db_tx *tx, void *argument, struct err *err)
{
	return db_query_int(tx, "SELECT count(*) FROM account", DB_NO_ARGS, argument, err);
}

int account_bootstrap(struct db *db, struct env *env, char **ret_password, struct err *err)
{
	char password[2 * FIRST_PASSWORD_CHARACTERS], hash[ACCOUNT_PASSWORD_HASH_SIZE];
	int64_t count = 0;

	/* Asked first because hashing costs 64 MiB and a tenth of a second at every start. */
	if (db_read(db, any_account, &count, err) < 0)
		return -1;
	if (count > 0) {
		*ret_password = NULL;
		return 0;
	}
	first_password_make(env, password);
	if (account_password_hash(password, hash, err) < 0)
		return -1;
	struct creation creation = { .login = OPERATOR_LOGIN,
				     .password_hash = hash,
				     .role = ROLE_OPERATOR,
				     .now = env_now(env),
				     .only_first = true };
	CHAR_AUTO copy = strdup(password);
	if (!copy)
		return err_oom(err);
	if (db_write(db, creation_run, &creation, err) < 0)
		return err_wrap(err, "first account");
	*ret_password = NULL;
	if (creation.id != 0) {
		*ret_password = copy;
		copy = NULL;
	}
	return 0;
}
