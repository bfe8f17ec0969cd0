/* Shared inside src/account only. */
#ifndef DURE_ACCOUNT_INTERNAL_H
#define DURE_ACCOUNT_INTERNAL_H

#include <pthread.h>

#include "account/account.h"

#define TOKEN_HASH_SIZE 65 /* BLAKE2b-256 in hexadecimal */

#define TOKEN_PREFIX_API "dure_"
#define TOKEN_PREFIX_SESSION "sess_"

/* password.c */

/* Who may hash: LIMIT_PASSWORD_HASHES at once, LIMIT_PASSWORD_WAITING more may wait. */
struct hash_slots {
	pthread_mutex_t mutex;
	pthread_cond_t freed;
	unsigned running, waiting;
};
#define HASH_SLOTS_INIT                                                                            \
	{                                                                                          \
		PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0                          \
	}
/* ERR_THROTTLED when too many wait already. */
int hash_slot_take(struct hash_slots *slots, struct err *err);
void hash_slot_give(struct hash_slots *slots);

/* Is `password` the one behind `hash`? `hash` NULL (no such account) takes as long and is
 * ERR_CREDENTIALS like any wrong password. */
int password_verify(const char *password, const char *hash, struct err *err);
/* Stands in for the hash of an account that does not exist. */
extern const char password_dummy_hash[ACCOUNT_PASSWORD_HASH_SIZE];
/* The rules for new passwords; ERR_FIELDS at `field`. */
int password_check(const char *password, const char *field, struct err *err);

/* token.c */

/* `prefix`, then 32 random bytes in hexadecimal. */
void token_make(struct env *env, const char *prefix, char ret_token[ACCOUNT_TOKEN_SIZE]);
void token_hash(const char *token, char ret_hash[TOKEN_HASH_SIZE]);
/* Has it the form token_make() gives? */
bool token_well_formed(const char *token, const char *prefix);

/* account.c */

/* ROLE_NOBODY when it is no role's name. */
enum role role_parse(const char *name);
/* One bad member as ERR_FIELDS. */
int field_fail(const char *field, const char *code, const char *allowed, const char *message,
	       struct err *err);

/* What a login leads to. */
struct account_record {
	int64_t id;
	enum role role;
	bool active;
	char login[129];
	char password_hash[ACCOUNT_PASSWORD_HASH_SIZE];
};
/* By `login`, or by `id` when `login` is NULL. ERR_NOT_FOUND. */
int account_load(struct db *db, const char *login, int64_t id, struct account_record *ret,
		 struct err *err);

#endif
