/* Accounts, sessions, API tokens, and the one place where ownership is enforced.
 *
 * Passwords: Argon2id (libsodium, "interactive" limits). Session and API tokens: 32 random bytes,
 * shown once, stored as BLAKE2b-256; a token starts with "dure_" and a session with "sess_".
 * Hashing a password is slow and takes 64 MiB, so it happens outside transactions and at most two
 * run at once. */
#ifndef DURE_ACCOUNT_ACCOUNT_H
#define DURE_ACCOUNT_ACCOUNT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/env.h"
#include "base/err.h"
#include "store/db.h"

enum role { ROLE_NOBODY, ROLE_USER, ROLE_PROVIDER, ROLE_OPERATOR };

/* Who asks. Copied freely. */
struct actor {
	int64_t account_id; /* 0: nobody */
	enum role role;
	char login[129];
	char session_hash[65]; /* set when a session cookie was used */
	int64_t expires_at;    /* of the session or token it came with; 0: never */
};

#define ACCOUNT_TOKEN_SIZE 80 /* room for a token's text */
#define ACCOUNT_PASSWORD_HASH_SIZE 128

struct account_token {
	int64_t id;
	const char *name;
	int64_t created_at;
	int64_t expires_at; /* 0: never */
};

const char *account_role_name(enum role role);

/* Ownership: 0 when `actor` owns `owner_id`'s objects or is an operator, else ERR_NOT_FOUND that
 * says "there is no <what>", the same words a missing object gets. Everything that loads an object
 * asks here. */
int account_require_owner(const struct actor *actor, int64_t owner_id, const char *what,
			  struct err *err);
/* For lists: the owner to filter by ("$1 = 0 OR owner_id = $1"); 0 lets an operator see everything.
 */
int64_t account_owner_filter(const struct actor *actor);
/* ERR_FORBIDDEN (ERR_UNAUTHENTICATED for nobody) unless the actor's role is at least `role`. */
int account_require_role(const struct actor *actor, enum role role, struct err *err);

/* Hashing, outside transactions. */
int account_password_hash(const char *password, char ret_hash[ACCOUNT_PASSWORD_HASH_SIZE],
			  struct err *err);

/* First start: creates the operator "operator" with a random password when no account exists, else
 * does nothing. *ret_password (caller frees) is the password, NULL when there was an operator
 * already. */
int account_bootstrap(struct db *db, struct env *env, char **ret_password, struct err *err);

/* Password login → session token (to be set as cookie). ERR_CREDENTIALS takes as long for an
 * unknown login as for a wrong password. */
int account_login(struct db *db, struct env *env, const char *login, const char *password,
		  char ret_token[ACCOUNT_TOKEN_SIZE], struct actor *ret_actor, struct err *err);
int account_logout(struct db *db, const struct actor *actor, struct err *err);
/* Needs the old password; ends all other sessions of the account. */
int account_password_change(struct db *db, struct env *env, const struct actor *actor,
			    const char *old_password, const char *new_password, struct err *err);

/* Without the old one: for whoever owns the data directory. Ends all sessions. ERR_NOT_FOUND. */
int account_password_reset(struct db *db, struct env *env, const char *login,
			   const char *new_password, struct err *err);

/* Who holds this session or API token? ERR_UNAUTHENTICATED when unknown, expired or inactive. */
int account_authenticate(struct db *db, struct env *env, const char *token, struct actor *ret_actor,
			 struct err *err);

/* API tokens. `expires_at` 0: never. Names are unique per account, 1–64 characters. */
int account_token_create(struct db *db, struct env *env, const struct actor *actor,
			 const char *name, int64_t expires_at, char ret_token[ACCOUNT_TOKEN_SIZE],
			 struct account_token *ret_record, struct err *err);
int account_token_list(struct db_tx *tx, const struct actor *actor, struct arena *arena,
		       struct account_token **ret_tokens, size_t *ret_count, struct err *err);
int account_token_delete(struct db *db, const struct actor *actor, int64_t id, struct err *err);

/* Creates a further account (used by tests and, later, sign-up). ERR_CONFLICT when the login is
 * taken. */
int account_create(struct db *db, struct env *env, const char *login, const char *password,
		   enum role role, int64_t *ret_id, struct err *err);

#endif
