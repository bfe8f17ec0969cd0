/* Passwords: Argon2id by libsodium, a few at a time because each takes 64 MiB. */
#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "account/internal.h"
#include "base/limits.h"
#include "base/strings.h"

/* The one piece of state that is the process's and no object's: memory is shared by all. */
static struct hash_slots process_slots = HASH_SLOTS_INIT;

/* Of 32 random bytes that nobody kept, made with the limits below. */
const char password_dummy_hash[ACCOUNT_PASSWORD_HASH_SIZE] =
	"$argon2id$v=19$m=65536,t=2,p=1$rm30/KE5EIsp+78Fo"
	"FThyA$q0cwIB4EHyD/DluJhVTkiyM5xH2zkFBZoroi2brsmLg";

int hash_slot_take(struct hash_slots *slots, struct err *err)
{
	int r = 0;

	(void)pthread_mutex_lock(&slots->mutex);
	if (slots->running >= LIMIT_PASSWORD_HASHES && slots->waiting >= LIMIT_PASSWORD_WAITING)
		r = err_set(err, ERR_THROTTLED,
			    "too many people are logging in just now; try again in some seconds");
	if (r == 0) {
		slots->waiting++;
		while (slots->running >= LIMIT_PASSWORD_HASHES)
			(void)pthread_cond_wait(&slots->freed, &slots->mutex);
		slots->waiting--;
		slots->running++;
	}
	(void)pthread_mutex_unlock(&slots->mutex);
	return r;
}

void hash_slot_give(struct hash_slots *slots)
{
	(void)pthread_mutex_lock(&slots->mutex);
	assert(slots->running > 0);
	slots->running--;
	(void)pthread_cond_signal(&slots->freed);
	(void)pthread_mutex_unlock(&slots->mutex);
}

static int sodium_start(struct err *err)
{
	if (sodium_init() < 0)
		return err_set(err, ERR_INTERNAL, "libsodium does not start");
	return 0;
}

int account_password_hash(const char *password, char ret_hash[ACCOUNT_PASSWORD_HASH_SIZE],
			  struct err *err)
{
	char hash[crypto_pwhash_STRBYTES];

	static_assert(sizeof(hash) <= ACCOUNT_PASSWORD_HASH_SIZE, "libsodium's hashes fit");
	if (sodium_start(err) < 0 || hash_slot_take(&process_slots, err) < 0)
		return -1;
	int r = crypto_pwhash_str(hash, password, strlen(password),
				  crypto_pwhash_OPSLIMIT_INTERACTIVE,
				  crypto_pwhash_MEMLIMIT_INTERACTIVE);
	hash_slot_give(&process_slots);
	/* It has no other reason to fail. */
	if (r != 0)
		return err_oom(err);
	str_copy(ret_hash, ACCOUNT_PASSWORD_HASH_SIZE, hash);
	return 0;
}

int password_verify(const char *password, const char *hash, struct err *err)
{
	if (sodium_start(err) < 0)
		return -1;
	/* Longer ones are never stored, so the answer tells nothing about the account. */
	if (strlen(password) > LIMIT_PASSWORD_BYTES)
		return err_set(err, ERR_CREDENTIALS, "login or password is wrong");
	if (hash_slot_take(&process_slots, err) < 0)
		return -1;
	int r = crypto_pwhash_str_verify(hash ? hash : password_dummy_hash, password,
					 strlen(password));
	hash_slot_give(&process_slots);
	if (r != 0 || !hash)
		return err_set(err, ERR_CREDENTIALS, "login or password is wrong");
	return 0;
}

int password_check(const char *password, const char *field, struct err *err)
{
	static const char allowed[] = "8 characters to 1024 bytes";
	size_t size = strlen(password);

	static_assert(LIMIT_PASSWORD_CHARACTERS_MIN == 8 && LIMIT_PASSWORD_BYTES == 1024,
		      "the sentence above says so");
	if (!utf8_valid(password, size))
		return field_fail(field, "format", allowed, "the password is not UTF-8", err);
	if (utf8_length(password) < LIMIT_PASSWORD_CHARACTERS_MIN)
		return field_fail(field, "length", allowed, "the password is too short", err);
	if (size > LIMIT_PASSWORD_BYTES)
		return field_fail(field, "length", allowed, "the password is too long", err);
	return 0;
}
