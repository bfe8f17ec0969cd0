/* Sessions: logging in and out, changing the password, and telling who asks. */
#include <assert.h>
#include <string.h>

#include "account/internal.h"
#include "base/limits.h"
#include "base/strings.h"

/* ---- logging in and out ---- */

struct login {
	const struct account_record *account;
	const char *token_hash;
	int64_t now, expires_at;
};

static int login_run(struct db_tx *tx, void *argument, struct err *err)
{
	const struct login *login = argument;
	int64_t same = 0;

	/* Between the check of the password and now it may have been changed. */
	if (db_query_int(
		    tx,
		    "SELECT count(*) FROM account "
		    "WHERE id = $1 AND active = 1 AND password_hash = $2",
		    DB_ARGS(db_int(login->account->id), db_text(login->account->password_hash)),
		    &same, err) < 0)
		return -1;
	if (same == 0)
		return err_set(err, ERR_CREDENTIALS, "login or password is wrong");
	if (db_exec(tx, "DELETE FROM session WHERE expires_at <= $1", DB_ARGS(db_int(login->now)),
		    NULL, err) < 0)
		return -1;
	if (db_exec(tx,
		    "DELETE FROM session WHERE account_id = $1 AND token_hash NOT IN "
		    "(SELECT token_hash FROM session WHERE account_id = $1 "
		    "ORDER BY created_at DESC, token_hash LIMIT $2)",
		    DB_ARGS(db_int(login->account->id), db_int(LIMIT_SESSIONS_PER_ACCOUNT - 1)),
		    NULL, err) < 0)
		return -1;
	return db_exec(tx,
		       "INSERT INTO session (token_hash, account_id, created_at, expires_at) "
		       "VALUES ($1, $2, $3, $4)",
		       DB_ARGS(db_text(login->token_hash), db_int(login->account->id),
			       db_int(login->now), db_int(login->expires_at)),
		       NULL, err);
}

/* The account behind login and password. Unknown, inactive and wrong take the same time. */
static int credentials_check(struct db *db, const char *login, const char *password,
			     struct account_record *ret, struct err *err)
{
	struct account_record account = { .id = 0 };

	if (account_load(db, login, 0, &account, err) < 0) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		err_clear(err);
	}
	bool known = account.id != 0 && account.active;
	if (password_verify(password, known ? account.password_hash : NULL, err) < 0)
		return -1;
	*ret = account;
	return 0;
}

int account_login(struct db *db, struct env *env, const char *login, const char *password,
		  char ret_token[ACCOUNT_TOKEN_SIZE], struct actor *ret_actor, struct err *err)
{
	struct account_record account;
	char token[ACCOUNT_TOKEN_SIZE], hash[TOKEN_HASH_SIZE];

	if (credentials_check(db, login, password, &account, err) < 0)
		return -1;
	token_make(env, TOKEN_PREFIX_SESSION, token);
	token_hash(token, hash);
	int64_t now = env_now(env), expires_at = now + LIMIT_SESSION_SECONDS * USEC_PER_SEC;
	struct login run = {
		.account = &account, .token_hash = hash, .now = now, .expires_at = expires_at
	};
	if (db_write(db, login_run, &run, err) < 0)
		return -1;

	struct actor actor = { .account_id = account.id,
			       .role = account.role,
			       .expires_at = expires_at };
	str_copy(actor.login, sizeof(actor.login), account.login);
	str_copy(actor.session_hash, sizeof(actor.session_hash), hash);
	*ret_actor = actor;
	memcpy(ret_token, token, ACCOUNT_TOKEN_SIZE);
	return 0;
}

static int logout_run(struct db_tx *tx, void *argument, struct err *err)
{
	const struct actor *actor = argument;

	return db_exec(tx, "DELETE FROM session WHERE token_hash = $1",
		       DB_ARGS(db_text(actor->session_hash)), NULL, err);
}

int account_logout(struct db *db, const struct actor *actor, struct err *err)
{
	struct actor copy = *actor;

	if (str_empty(actor->session_hash))
		return err_set(err, ERR_INVALID,
			       "there is no session to end: the request came with an API token");
	return db_write(db, logout_run, &copy, err);
}

/* ---- passwords ---- */

struct change {
	int64_t account_id;
	const char *old_hash; /* NULL: whatever it is */
	const char *new_hash;
	const char *keep_session; /* its hash; "" ends all */
};

static int change_run(struct db_tx *tx, void *argument, struct err *err)
{
	const struct change *change = argument;
	int64_t changed = 0;

	if (db_exec(tx,
		    "UPDATE account SET password_hash = $2 "
		    "WHERE id = $1 AND password_hash = coalesce($3, password_hash)",
		    DB_ARGS(db_int(change->account_id), db_text(change->new_hash),
			    db_text(change->old_hash)),
		    &changed, err) < 0)
		return -1;
	if (changed == 0)
		return err_set(err, ERR_CREDENTIALS, "the password was changed meanwhile");
	return db_exec(tx, "DELETE FROM session WHERE account_id = $1 AND token_hash <> $2",
		       DB_ARGS(db_int(change->account_id), db_text(change->keep_session)), NULL,
		       err);
}

int account_password_change(struct db *db, struct env *env, const struct actor *actor,
			    const char *old_password, const char *new_password, struct err *err)
{
	struct account_record account;
	char hash[ACCOUNT_PASSWORD_HASH_SIZE];

	(void)env;
	if (account_require_role(actor, ROLE_USER, err) < 0 ||
	    password_check(new_password, "new_password", err) < 0 ||
	    account_load(db, NULL, actor->account_id, &account, err) < 0)
		return -1;
	if (password_verify(old_password, account.password_hash, err) < 0) {
		if (err->code == ERR_CREDENTIALS)
			return err_set(err, ERR_CREDENTIALS, "the old password is wrong");
		return -1;
	}
	if (account_password_hash(new_password, hash, err) < 0)
		return -1;
	struct change change = { .account_id = account.id,
				 .old_hash = account.password_hash,
				 .new_hash = hash,
				 .keep_session = actor->session_hash };
	return db_write(db, change_run, &change, err);
}

int account_password_reset(struct db *db, struct env *env, const char *login,
			   const char *new_password, struct err *err)
{
	struct account_record account;
	char hash[ACCOUNT_PASSWORD_HASH_SIZE];

	(void)env;
	if (password_check(new_password, "password", err) < 0 ||
	    account_load(db, login, 0, &account, err) < 0 ||
	    account_password_hash(new_password, hash, err) < 0)
		return -1;
	struct change change = { .account_id = account.id, .new_hash = hash, .keep_session = "" };
	return db_write(db, change_run, &change, err);
}

/* ---- who asks ---- */

struct inquiry {
	const char *sql;
	char hash[TOKEN_HASH_SIZE];
	int64_t expires_at; /* 0: never */
	struct actor actor;
};

static const char session_sql[] =
	"SELECT account.id, account.role, account.login, session.expires_at "
	"FROM session JOIN account ON account.id = session.account_id "
	"WHERE session.token_hash = $1 AND account.active = 1";
static const char api_token_sql[] =
	"SELECT account.id, account.role, account.login, api_token.expires_at "
	"FROM api_token JOIN account ON account.id = api_token.account_id "
	"WHERE api_token.token_hash = $1 AND account.active = 1";

static int inquiry_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct inquiry *inquiry = argument;
	DB_ROWS_AUTO rows = NULL;

	if (db_query(tx, inquiry->sql, DB_ARGS(db_text(inquiry->hash)), &rows, err) < 0)
		return -1;
	int r = db_rows_next(rows, err);
	if (r <= 0)
		return r;
	inquiry->actor.account_id = db_rows_int(rows, 0);
	inquiry->actor.role = role_parse(db_rows_text(rows, 1));
	str_copy(inquiry->actor.login, sizeof(inquiry->actor.login), db_rows_text(rows, 2));
	inquiry->expires_at = db_rows_int(rows, 3);
	return 0;
}

int account_authenticate(struct db *db, struct env *env, const char *token, struct actor *ret_actor,
			 struct err *err)
{
	bool session = token_well_formed(token, TOKEN_PREFIX_SESSION);
	struct inquiry inquiry = { .sql = session ? session_sql : api_token_sql };

	if (!session && !token_well_formed(token, TOKEN_PREFIX_API))
		return err_set(err, ERR_UNAUTHENTICATED,
			       "log in first: this is no session or API token of Dure's");
	token_hash(token, inquiry.hash);
	if (db_read(db, inquiry_run, &inquiry, err) < 0)
		return -1;
	bool expired = inquiry.expires_at != 0 && inquiry.expires_at <= env_now(env);
	if (inquiry.actor.account_id == 0 || expired)
		return err_set(err, ERR_UNAUTHENTICATED,
			       "log in first: the %s is unknown or has expired",
			       session ? "session" : "API token");
	inquiry.actor.expires_at = inquiry.expires_at;
	if (session)
		str_copy(inquiry.actor.session_hash, sizeof(inquiry.actor.session_hash),
			 inquiry.hash);
	*ret_actor = inquiry.actor;
	return 0;
}
