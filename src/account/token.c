/* API tokens, and the making and hashing of tokens in general. */
#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "account/internal.h"
#include "base/limits.h"
#include "base/strings.h"

#define TOKEN_BYTES 32
#define PREFIX_LENGTH 5

void token_make(struct env *env, const char *prefix, char ret_token[ACCOUNT_TOKEN_SIZE])
{
	unsigned char secret[TOKEN_BYTES];
	char text[2 * TOKEN_BYTES + 1];

	assert(strlen(prefix) == PREFIX_LENGTH);
	static_assert(PREFIX_LENGTH + sizeof(text) <= ACCOUNT_TOKEN_SIZE, "a token fits");
	env_random(env, secret, sizeof(secret));
	hex_encode(secret, sizeof(secret), text);
	(void)snprintf(ret_token, ACCOUNT_TOKEN_SIZE, "%s%s", prefix, text);
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(text, sizeof(text));
}

/* Tokens have 256 bits of their own: a fast hash keeps what the database holds from being one. */
void token_hash(const char *token, char ret_hash[TOKEN_HASH_SIZE])
{
	unsigned char hash[(TOKEN_HASH_SIZE - 1) / 2];

	(void)crypto_generichash(hash, sizeof(hash), (const unsigned char *)token, strlen(token),
				 NULL, 0);
	hex_encode(hash, sizeof(hash), ret_hash);
}

bool token_well_formed(const char *token, const char *prefix)
{
	return str_starts(token, prefix) &&
	       strspn(token + PREFIX_LENGTH, "0123456789abcdef") == 2 * TOKEN_BYTES &&
	       token[PREFIX_LENGTH + 2 * TOKEN_BYTES] == '\0';
}

static int name_check(const char *name, struct err *err)
{
	static const char allowed[] = "1 to 64 characters";
	size_t size = strlen(name);

	static_assert(LIMIT_TOKEN_NAME_CHARACTERS == 64, "the sentence above says so");
	if (!utf8_valid(name, size))
		return field_fail("name", "format", allowed, "the name is not UTF-8", err);
	size_t length = utf8_length(name);
	if (length < 1 || length > LIMIT_TOKEN_NAME_CHARACTERS)
		return field_fail("name", "length", allowed, "the name has the wrong length", err);
	for (const char *at = name; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return field_fail("name", "format", allowed,
					  "the name has a control character in it", err);
	return 0;
}

struct creation {
	int64_t account_id;
	const char *name;
	const char *hash;
	int64_t now, expires_at;
	int64_t id; /* out */
};

static int creation_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct creation *creation = argument;
	int64_t count = 0;

	if (db_query_int(tx, "SELECT count(*) FROM api_token WHERE account_id = $1",
			 DB_ARGS(db_int(creation->account_id)), &count, err) < 0)
		return -1;
	if (count >= LIMIT_TOKENS_PER_ACCOUNT)
		return err_set(err, ERR_CONFLICT,
			       "the account has %d API tokens already; delete one first",
			       LIMIT_TOKENS_PER_ACCOUNT);
	if (db_insert(tx,
		      "INSERT INTO api_token (account_id, name, token_hash, created_at, "
		      "expires_at) VALUES ($1, $2, $3, $4, $5) RETURNING id",
		      DB_ARGS(db_int(creation->account_id), db_text(creation->name),
			      db_text(creation->hash), db_int(creation->now),
			      db_int(creation->expires_at)),
		      &creation->id, err) == 0)
		return 0;
	if (err->code == ERR_CONFLICT)
		return err_set(err, ERR_CONFLICT, "the account has an API token named \"%s\"",
			       creation->name);
	return -1;
}

int account_token_create(struct db *db, struct env *env, const struct actor *actor,
			 const char *name, int64_t expires_at, char ret_token[ACCOUNT_TOKEN_SIZE],
			 struct account_token *ret_record, struct err *err)
{
	char token[ACCOUNT_TOKEN_SIZE], hash[TOKEN_HASH_SIZE];
	struct creation creation = { .account_id = actor->account_id,
				     .name = name,
				     .hash = hash,
				     .now = env_now(env),
				     .expires_at = expires_at };

	if (account_require_role(actor, ROLE_USER, err) < 0 || name_check(name, err) < 0)
		return -1;
	if (expires_at != 0 && expires_at <= creation.now)
		return field_fail("expires_at", "range", "a time to come",
				  "the token would have expired already", err);
	token_make(env, TOKEN_PREFIX_API, token);
	token_hash(token, hash);
	if (db_write(db, creation_run, &creation, err) < 0)
		return -1;
	*ret_record = (struct account_token){ .id = creation.id,
					      .name = name,
					      .created_at = creation.now,
					      .expires_at = expires_at };
	memcpy(ret_token, token, ACCOUNT_TOKEN_SIZE);
	return 0;
}

int account_token_list(struct db_tx *tx, const struct actor *actor, struct arena *arena,
		       struct account_token **ret_tokens, size_t *ret_count, struct err *err)
{
	DB_ROWS_AUTO rows = NULL;
	size_t count = 0;
	int r = 0;

	struct account_token *tokens =
		ARENA_ARRAY(arena, LIMIT_TOKENS_PER_ACCOUNT, struct account_token);
	if (!tokens)
		return err_oom(err);
	if (db_query(tx,
		     "SELECT id, name, created_at, expires_at FROM api_token "
		     "WHERE account_id = $1 ORDER BY id LIMIT $2",
		     DB_ARGS(db_int(actor->account_id), db_int(LIMIT_TOKENS_PER_ACCOUNT)), &rows,
		     err) < 0)
		return -1;
	while (count < LIMIT_TOKENS_PER_ACCOUNT && (r = db_rows_next(rows, err)) > 0) {
		struct account_token *token = &tokens[count++];
		token->id = db_rows_int(rows, 0);
		token->name = arena_strdup(arena, db_rows_text(rows, 1));
		token->created_at = db_rows_int(rows, 2);
		token->expires_at = db_rows_int(rows, 3);
		if (!token->name)
			return err_oom(err);
	}
	if (r < 0)
		return -1;
	*ret_tokens = tokens;
	*ret_count = count;
	return 0;
}

struct deletion {
	const struct actor *actor;
	int64_t id;
};

static int deletion_run(struct db_tx *tx, void *argument, struct err *err)
{
	const struct deletion *deletion = argument;
	int64_t owner_id = 0;

	if (db_query_int(tx, "SELECT account_id FROM api_token WHERE id = $1",
			 DB_ARGS(db_int(deletion->id)), &owner_id, err) < 0) {
		if (err->code == ERR_NOT_FOUND)
			return err_set(err, ERR_NOT_FOUND, "there is no API token");
		return -1;
	}
	if (account_require_owner(deletion->actor, owner_id, "API token", err) < 0)
		return -1;
	return db_exec(tx, "DELETE FROM api_token WHERE id = $1", DB_ARGS(db_int(deletion->id)),
		       NULL, err);
}

int account_token_delete(struct db *db, const struct actor *actor, int64_t id, struct err *err)
{
	struct deletion deletion = { .actor = actor, .id = id };

	return db_write(db, deletion_run, &deletion, err);
}
