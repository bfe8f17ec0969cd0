/* account: first start, logging in, sessions, API tokens, ownership. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "account/internal.h"
#include "base/limits.h"
#include "base/strings.h"

/* A clock that stands still until told, over the real randomness. */
struct house {
	struct env env;
	struct env system;
	int64_t now;
	struct db *db;
	struct arena *arena;
};

static int64_t house_now(struct env *env) { return ((struct house *)env)->now; }

static void house_random(struct env *env, void *data, size_t size)
{
	env_random(&((struct house *)env)->system, data, size);
}

static int house_make(void **state)
{
	struct house *house = calloc(1, sizeof(*house));
	ERR_AUTO(err);

	assert_non_null(house);
	house->system = env_system(NULL);
	house->env = house->system;
	house->env.now = house_now;
	house->env.random = house_random;
	house->now = INT64_C(1700000000) * USEC_PER_SEC;
	house->arena = arena_new((size_t)1024 * 1024);
	struct db_options options = {
		.env = &house->env, .path = ":memory:", .inline_writer = true, .relaxed = true
	};
	if (db_open(&options, &house->db, &err) < 0)
		fail_msg("%s", err.message);
	*state = house;
	return 0;
}

static int house_remove(void **state)
{
	struct house *house = *state;

	db_close(house->db);
	arena_free(house->arena);
	free(house);
	return 0;
}

static int64_t person_make(struct house *house, const char *login, enum role role)
{
	int64_t id = 0;
	ERR_AUTO(err);

	if (account_create(house->db, &house->env, login, "correct horse", role, &id, &err) < 0)
		fail_msg("%s", err.message);
	return id;
}

static struct actor person_login(struct house *house, const char *login,
				 char token[ACCOUNT_TOKEN_SIZE])
{
	struct actor actor = { 0 };
	ERR_AUTO(err);

	if (account_login(house->db, &house->env, login, "correct horse", token, &actor, &err) < 0)
		fail_msg("%s", err.message);
	return actor;
}

/* The code authentication ends with; the actor when it succeeds. */
static enum err_code asks(struct house *house, const char *token, struct actor *actor)
{
	struct actor found = { 0 };
	ERR_AUTO(err);

	if (account_authenticate(house->db, &house->env, token, &found, &err) < 0) {
		assert_int_not_equal(err.code, ERR_NONE);
		return err.code;
	}
	if (actor)
		*actor = found;
	return ERR_NONE;
}

static int count_sessions(struct db_tx *tx, void *argument, struct err *err)
{
	return db_query_int(tx, "SELECT count(*) FROM session", DB_NO_ARGS, argument, err);
}

static int64_t sessions(struct house *house)
{
	int64_t count = -1;
	ERR_AUTO(err);

	assert_int_equal(db_read(house->db, count_sessions, &count, &err), 0);
	return count;
}

static void first_start_makes_one_operator(void **state)
{
	struct house *house = *state;
	CHAR_AUTO password = NULL;
	char token[ACCOUNT_TOKEN_SIZE], *again = (char *)state;
	struct actor actor;
	ERR_AUTO(err);

	assert_int_equal(account_bootstrap(house->db, &house->env, &password, &err), 0);
	assert_non_null(password);
	assert_true(strlen(password) >= 20);
	assert_int_equal(account_bootstrap(house->db, &house->env, &again, &err), 0);
	assert_null(again);
	assert_int_equal(
		account_login(house->db, &house->env, "operator", password, token, &actor, &err),
		0);
	assert_int_equal(actor.role, ROLE_OPERATOR);
	assert_string_equal(actor.login, "operator");
}

static void login_takes_the_right_password_only(void **state)
{
	struct house *house = *state;
	char token[ACCOUNT_TOKEN_SIZE] = "untouched";
	struct actor actor = { .account_id = 99 };
	char unknown[ERR_MESSAGE_MAX];
	ERR_AUTO(err);

	int64_t id = person_make(house, "mina", ROLE_USER);
	assert_int_equal(
		account_login(house->db, &house->env, "nina", "correct horse", token, &actor, &err),
		-1);
	assert_int_equal(err.code, ERR_CREDENTIALS);
	str_copy(unknown, sizeof(unknown), err.message);
	assert_int_equal(
		account_login(house->db, &house->env, "mina", "wrong horse", token, &actor, &err),
		-1);
	assert_int_equal(err.code, ERR_CREDENTIALS);
	assert_string_equal(err.message, unknown);
	assert_string_equal(token, "untouched");
	assert_int_equal(actor.account_id, 99);
	assert_int_equal(sessions(house), 0);

	actor = person_login(house, "mina", token);
	assert_int_equal(actor.account_id, id);
	assert_int_equal(actor.role, ROLE_USER);
	assert_int_equal(asks(house, token, &actor), ERR_NONE);
	assert_int_equal(actor.account_id, id);
	assert_int_equal(strlen(actor.session_hash), 64);
	assert_true(actor.expires_at == house->now + LIMIT_SESSION_SECONDS * USEC_PER_SEC);
}

/* Equal parameters are what makes an unknown login as slow as a wrong password. */
static void dummy_hash_costs_what_a_real_one_costs(void **state)
{
	char hash[ACCOUNT_PASSWORD_HASH_SIZE];
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(account_password_hash("correct horse", hash, &err), 0);
	assert_int_equal(strlen(hash), strlen(password_dummy_hash));
	size_t parameters = (size_t)(strrchr(hash, '=') - hash) + strlen("=1$");
	assert_memory_equal(hash, password_dummy_hash, parameters);
	assert_int_equal(password_verify("correct horse", hash, &err), 0);
	assert_int_equal(password_verify("correct horse", NULL, &err), -1);
	assert_int_equal(err.code, ERR_CREDENTIALS);
}

struct crowd {
	struct hash_slots slots;
	atomic_int inside, most, refused, served;
	atomic_bool open;
};

static void *crowd_member(void *argument)
{
	struct crowd *crowd = argument;
	ERR_AUTO(err);

	if (hash_slot_take(&crowd->slots, &err) < 0) {
		if (err.code == ERR_THROTTLED)
			atomic_fetch_add(&crowd->refused, 1);
		return NULL;
	}
	int inside = atomic_fetch_add(&crowd->inside, 1) + 1;
	int most = atomic_load(&crowd->most);
	while (inside > most && !atomic_compare_exchange_weak(&crowd->most, &most, inside))
		continue;
	while (!atomic_load(&crowd->open))
		(void)usleep(1000);
	atomic_fetch_sub(&crowd->inside, 1);
	atomic_fetch_add(&crowd->served, 1);
	hash_slot_give(&crowd->slots);
	return NULL;
}

#define CROWD (LIMIT_PASSWORD_HASHES + LIMIT_PASSWORD_WAITING + 10)

static void few_hash_at_once_and_some_wait(void **state)
{
	static struct crowd crowd = { .slots = HASH_SLOTS_INIT };
	pthread_t threads[CROWD];

	(void)state;
	for (size_t i = 0; i < CROWD; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, crowd_member, &crowd), 0);
	/* Slots and the queue fill up, so exactly the rest is refused. */
	for (int i = 0; i < 10000 && atomic_load(&crowd.refused) < 10; i++)
		(void)usleep(1000);
	assert_int_equal(atomic_load(&crowd.refused), 10);
	assert_int_equal(atomic_load(&crowd.served), 0);
	atomic_store(&crowd.open, true);
	for (size_t i = 0; i < CROWD; i++)
		(void)pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&crowd.most), LIMIT_PASSWORD_HASHES);
	assert_int_equal(atomic_load(&crowd.served),
			 LIMIT_PASSWORD_HASHES + LIMIT_PASSWORD_WAITING);
}

static void sessions_end_in_time_and_are_swept(void **state)
{
	struct house *house = *state;
	char first[ACCOUNT_TOKEN_SIZE], second[ACCOUNT_TOKEN_SIZE];

	person_make(house, "mina", ROLE_USER);
	struct actor actor = person_login(house, "mina", first);
	assert_true(actor.expires_at == house->now + LIMIT_SESSION_SECONDS * USEC_PER_SEC);
	house->now += LIMIT_SESSION_SECONDS * USEC_PER_SEC - 1;
	assert_int_equal(asks(house, first, NULL), ERR_NONE);
	house->now += 1;
	assert_int_equal(asks(house, first, NULL), ERR_UNAUTHENTICATED);
	assert_int_equal(sessions(house), 1);
	person_login(house, "mina", second);
	assert_int_equal(sessions(house), 1);
	assert_int_equal(asks(house, second, NULL), ERR_NONE);
}

static void logging_out_ends_this_session_only(void **state)
{
	struct house *house = *state;
	char first[ACCOUNT_TOKEN_SIZE], second[ACCOUNT_TOKEN_SIZE];
	ERR_AUTO(err);

	person_make(house, "mina", ROLE_USER);
	struct actor actor = person_login(house, "mina", first);
	person_login(house, "mina", second);
	assert_int_equal(account_logout(house->db, &actor, &err), 0);
	assert_int_equal(asks(house, first, NULL), ERR_UNAUTHENTICATED);
	assert_int_equal(asks(house, second, NULL), ERR_NONE);
	actor.session_hash[0] = '\0';
	assert_int_equal(account_logout(house->db, &actor, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
}

static void a_changed_password_ends_other_sessions(void **state)
{
	struct house *house = *state;
	char mine[ACCOUNT_TOKEN_SIZE], stolen[ACCOUNT_TOKEN_SIZE], theirs[ACCOUNT_TOKEN_SIZE];
	struct actor nobody;
	ERR_AUTO(err);

	person_make(house, "mina", ROLE_USER);
	person_make(house, "jun", ROLE_USER);
	struct actor actor = person_login(house, "mina", mine);
	person_login(house, "mina", stolen);
	person_login(house, "jun", theirs);
	assert_int_equal(account_password_change(house->db, &house->env, &actor, "wrong horse",
						 "battery staple", &err),
			 -1);
	assert_int_equal(err.code, ERR_CREDENTIALS);
	assert_int_equal(account_password_change(house->db, &house->env, &actor, "correct horse",
						 "short", &err),
			 -1);
	assert_int_equal(err.code, ERR_FIELDS);
	json_t *bad = json_array_get(json_object_get(err.extra, "fields"), 0);
	assert_string_equal(json_string_value(json_object_get(bad, "pointer")), "/new_password");
	assert_int_equal(asks(house, stolen, NULL), ERR_NONE);

	err_clear(&err);
	assert_int_equal(account_password_change(house->db, &house->env, &actor, "correct horse",
						 "battery staple", &err),
			 0);
	assert_int_equal(asks(house, mine, NULL), ERR_NONE);
	assert_int_equal(asks(house, stolen, NULL), ERR_UNAUTHENTICATED);
	assert_int_equal(asks(house, theirs, NULL), ERR_NONE);
	assert_int_equal(account_login(house->db, &house->env, "mina", "correct horse", stolen,
				       &nobody, &err),
			 -1);
	assert_int_equal(err.code, ERR_CREDENTIALS);

	err_clear(&err);
	assert_int_equal(
		account_password_reset(house->db, &house->env, "mina", "correct horse", &err), 0);
	assert_int_equal(asks(house, mine, NULL), ERR_UNAUTHENTICATED);
	person_login(house, "mina", mine);
	assert_int_equal(
		account_password_reset(house->db, &house->env, "nina", "correct horse", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

struct listing {
	struct house *house;
	const struct actor *actor;
	struct account_token *tokens;
	size_t count;
};

static int list_run(struct db_tx *tx, void *argument, struct err *err)
{
	struct listing *listing = argument;

	return account_token_list(tx, listing->actor, listing->house->arena, &listing->tokens,
				  &listing->count, err);
}

static struct listing list_tokens(struct house *house, const struct actor *actor)
{
	struct listing listing = { .house = house, .actor = actor };
	ERR_AUTO(err);

	if (db_read(house->db, list_run, &listing, &err) < 0)
		fail_msg("%s", err.message);
	return listing;
}

static void tokens_are_made_listed_and_deleted(void **state)
{
	struct house *house = *state;
	char session[ACCOUNT_TOKEN_SIZE], token[ACCOUNT_TOKEN_SIZE], other[ACCOUNT_TOKEN_SIZE];
	struct account_token record, ends;
	struct actor asking;
	ERR_AUTO(err);

	person_make(house, "mina", ROLE_USER);
	person_make(house, "jun", ROLE_USER);
	struct actor mina = person_login(house, "mina", session);
	struct actor jun = person_login(house, "jun", session);
	int64_t end = house->now + USEC_PER_SEC;
	assert_int_equal(
		account_token_create(house->db, &house->env, &mina, "ci", 0, token, &record, &err),
		0);
	assert_int_equal(account_token_create(house->db, &house->env, &mina, "노트북", end, other,
					      &ends, &err),
			 0);
	assert_true(str_starts(token, "dure_"));
	assert_int_equal(asks(house, token, &asking), ERR_NONE);
	assert_int_equal(asking.account_id, mina.account_id);
	assert_string_equal(asking.session_hash, "");
	assert_int_equal(asks(house, other, NULL), ERR_NONE);
	house->now = end;
	assert_int_equal(asks(house, other, NULL), ERR_UNAUTHENTICATED);
	assert_int_equal(asks(house, token, NULL), ERR_NONE);

	struct listing listing = list_tokens(house, &mina);
	assert_int_equal(listing.count, 2);
	assert_string_equal(listing.tokens[0].name, "ci");
	assert_string_equal(listing.tokens[1].name, "노트북");
	assert_true(listing.tokens[1].expires_at == end);
	assert_int_equal(list_tokens(house, &jun).count, 0);

	assert_int_equal(account_token_delete(house->db, &jun, record.id, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(asks(house, token, NULL), ERR_NONE);
	assert_int_equal(account_token_delete(house->db, &mina, record.id, &err), 0);
	assert_int_equal(asks(house, token, NULL), ERR_UNAUTHENTICATED);
	assert_int_equal(account_token_delete(house->db, &mina, record.id, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void tokens_have_rules(void **state)
{
	struct house *house = *state;
	char session[ACCOUNT_TOKEN_SIZE], token[ACCOUNT_TOKEN_SIZE], name[80];
	struct account_token record;
	ERR_AUTO(err);

	person_make(house, "mina", ROLE_USER);
	struct actor mina = person_login(house, "mina", session);
	memset(name, 'n', 65);
	name[65] = '\0';
	const char *const bad[] = { "", name, "a\nb", "\xff" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(account_token_create(house->db, &house->env, &mina, bad[i], 0,
						      token, &record, &err),
				 -1);
		assert_int_equal(err.code, ERR_FIELDS);
	}
	assert_int_equal(account_token_create(house->db, &house->env, &mina, "past", house->now,
					      token, &record, &err),
			 -1);
	assert_int_equal(err.code, ERR_FIELDS);
	err_clear(&err);
	for (int i = 0; i < LIMIT_TOKENS_PER_ACCOUNT; i++) {
		(void)snprintf(name, sizeof(name), "token %d", i);
		assert_int_equal(account_token_create(house->db, &house->env, &mina, name, 0, token,
						      &record, &err),
				 0);
		if (i > 0)
			continue;
		assert_int_equal(account_token_create(house->db, &house->env, &mina, name, 0, token,
						      &record, &err),
				 -1);
		assert_int_equal(err.code, ERR_CONFLICT);
	}
	assert_int_equal(account_token_create(house->db, &house->env, &mina, "one more", 0, token,
					      &record, &err),
			 -1);
	assert_int_equal(err.code, ERR_CONFLICT);
}

static int deactivate(struct db_tx *tx, void *argument, struct err *err)
{
	return db_exec(tx, "UPDATE account SET active = 0 WHERE login = $1",
		       DB_ARGS(db_text(argument)), NULL, err);
}

static void inactive_accounts_and_foreign_tokens_stay_out(void **state)
{
	struct house *house = *state;
	char session[ACCOUNT_TOKEN_SIZE], token[ACCOUNT_TOKEN_SIZE];
	struct account_token record;
	struct actor nobody;
	char login[] = "mina";
	ERR_AUTO(err);

	person_make(house, login, ROLE_USER);
	struct actor mina = person_login(house, login, session);
	assert_int_equal(
		account_token_create(house->db, &house->env, &mina, "ci", 0, token, &record, &err),
		0);
	assert_int_equal(db_write(house->db, deactivate, login, &err), 0);
	assert_int_equal(asks(house, session, NULL), ERR_UNAUTHENTICATED);
	assert_int_equal(asks(house, token, NULL), ERR_UNAUTHENTICATED);
	assert_int_equal(account_login(house->db, &house->env, login, "correct horse", session,
				       &nobody, &err),
			 -1);
	assert_int_equal(err.code, ERR_CREDENTIALS);
	token[strlen(token) - 1] = token[strlen(token) - 1] == '0' ? '1' : '0';
	assert_int_equal(asks(house, token, NULL), ERR_UNAUTHENTICATED);
	assert_int_equal(asks(house, "", NULL), ERR_UNAUTHENTICATED);
	assert_int_equal(asks(house, "dure_", NULL), ERR_UNAUTHENTICATED);
	assert_int_equal(asks(house, "Bearer dure_00", NULL), ERR_UNAUTHENTICATED);
}

static void accounts_have_rules(void **state)
{
	struct house *house = *state;
	int64_t id = 7;
	ERR_AUTO(err);

	person_make(house, "mina", ROLE_USER);
	assert_int_equal(
		account_create(house->db, &house->env, "mina", "another one", ROLE_USER, &id, &err),
		-1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.message, "mina"));
	assert_int_equal(account_create(house->db, &house->env, "two words", "another one",
					ROLE_USER, &id, &err),
			 -1);
	assert_int_equal(err.code, ERR_FIELDS);
	assert_int_equal(
		account_create(house->db, &house->env, "jun", "1234567", ROLE_USER, &id, &err), -1);
	assert_int_equal(err.code, ERR_FIELDS);
	assert_int_equal(id, 7);
}

static void owners_and_operators_see_objects(void **state)
{
	const struct actor nobody = { .role = ROLE_NOBODY };
	const struct actor mina = { .account_id = 2, .role = ROLE_PROVIDER, .login = "mina" };
	const struct actor chief = { .account_id = 1, .role = ROLE_OPERATOR };
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(account_require_owner(&mina, 2, "workload", &err), 0);
	assert_int_equal(account_require_owner(&chief, 2, "workload", &err), 0);
	assert_int_equal(account_require_owner(&mina, 3, "workload", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_string_equal(err.message, "there is no workload");
	assert_int_equal(account_require_owner(&nobody, 0, "workload", &err), -1);
	assert_true(account_owner_filter(&chief) == 0);
	assert_true(account_owner_filter(&mina) == 2);
	assert_true(account_owner_filter(&nobody) < 0);

	assert_int_equal(account_require_role(&mina, ROLE_USER, &err), 0);
	assert_int_equal(account_require_role(&mina, ROLE_PROVIDER, &err), 0);
	assert_int_equal(account_require_role(&chief, ROLE_PROVIDER, &err), 0);
	assert_int_equal(account_require_role(&mina, ROLE_OPERATOR, &err), -1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	assert_int_equal(account_require_role(&nobody, ROLE_USER, &err), -1);
	assert_int_equal(err.code, ERR_UNAUTHENTICATED);
}

#define IN_HOUSE(test) cmocka_unit_test_setup_teardown(test, house_make, house_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOUSE(first_start_makes_one_operator),
		IN_HOUSE(login_takes_the_right_password_only),
		cmocka_unit_test(dummy_hash_costs_what_a_real_one_costs),
		cmocka_unit_test(few_hash_at_once_and_some_wait),
		IN_HOUSE(sessions_end_in_time_and_are_swept),
		IN_HOUSE(logging_out_ends_this_session_only),
		IN_HOUSE(a_changed_password_ends_other_sessions),
		IN_HOUSE(tokens_are_made_listed_and_deleted),
		IN_HOUSE(tokens_have_rules),
		IN_HOUSE(inactive_accounts_and_foreign_tokens_stay_out),
		IN_HOUSE(accounts_have_rules),
		cmocka_unit_test(owners_and_operators_see_objects),
	};

	return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
