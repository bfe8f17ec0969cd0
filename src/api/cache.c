/* Answers and tokens that are still true: both are small tables with one place a key, so that a
 * newcomer puts out whoever was there and nothing ever has to be searched for or grows. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/limits.h"
#include "base/strings.h"

static size_t hash_of(int64_t account_id, const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)account_id;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return (size_t)(hash ^ (hash >> 29));
}

/* Answers -------------------------------------------------------------------------------------- */

struct answer {
	int64_t account_id;
	uint64_t version;
	char *target;
	struct api_body *body; /* NULL: empty */
};

struct api_cache {
	pthread_mutex_t lock;
	size_t bytes;
	size_t hand; /* whom to put out next when the bytes run short */
	struct answer answers[LIMIT_CACHED_ANSWERS];
};

struct api_cache *api_cache_new(void)
{
	struct api_cache *cache = calloc(1, sizeof(*cache));

	if (cache)
		(void)pthread_mutex_init(&cache->lock, NULL);
	return cache;
}

static void answer_drop(struct api_cache *cache, struct answer *answer)
{
	if (!answer->body)
		return;
	cache->bytes -= answer->body->size;
	api_body_unref(answer->body);
	free(answer->target);
	*answer = (struct answer){ 0 };
}

struct api_cache *api_cache_free(struct api_cache *cache)
{
	if (!cache)
		return NULL;
	for (size_t i = 0; i < LIMIT_CACHED_ANSWERS; i++)
		answer_drop(cache, &cache->answers[i]);
	(void)pthread_mutex_destroy(&cache->lock);
	free(cache);
	return NULL;
}

struct api_body *api_cache_get(struct api_cache *cache, int64_t account_id, const char *target,
			       uint64_t version)
{
	struct answer *answer = &cache->answers[hash_of(account_id, target) % LIMIT_CACHED_ANSWERS];
	struct api_body *body = NULL;

	(void)pthread_mutex_lock(&cache->lock);
	if (answer->body && answer->version == version && answer->account_id == account_id &&
	    strcmp(answer->target, target) == 0)
		body = api_body_ref(answer->body);
	(void)pthread_mutex_unlock(&cache->lock);
	return body;
}

void api_cache_put(struct api_cache *cache, int64_t account_id, const char *target,
		   uint64_t version, struct api_body *body)
{
	struct answer *answer = &cache->answers[hash_of(account_id, target) % LIMIT_CACHED_ANSWERS];
	char *copy = body->size <= LIMIT_CACHED_BYTES / 8 ? strdup(target) : NULL;

	if (!copy)
		return;
	(void)pthread_mutex_lock(&cache->lock);
	answer_drop(cache, answer);
	while (cache->bytes + body->size > LIMIT_CACHED_BYTES)
		answer_drop(cache, &cache->answers[cache->hand++ % LIMIT_CACHED_ANSWERS]);
	*answer = (struct answer){ account_id, version, copy, api_body_ref(body) };
	cache->bytes += body->size;
	(void)pthread_mutex_unlock(&cache->lock);
}

/* Tokens --------------------------------------------------------------------------------------- */

struct holder {
	unsigned char hash[crypto_generichash_BYTES]; /* of the token: the text is not kept */
	uint64_t version;
	struct actor actor; /* account_id 0: empty */
};

struct api_tokens {
	pthread_mutex_t lock;
	struct holder holders[LIMIT_CACHED_TOKENS];
};

struct api_tokens *api_tokens_new(void)
{
	struct api_tokens *tokens = calloc(1, sizeof(*tokens));

	if (tokens)
		(void)pthread_mutex_init(&tokens->lock, NULL);
	return tokens;
}

struct api_tokens *api_tokens_free(struct api_tokens *tokens)
{
	if (!tokens)
		return NULL;
	(void)pthread_mutex_destroy(&tokens->lock);
	sodium_memzero(tokens, sizeof(*tokens));
	free(tokens);
	return NULL;
}

static struct holder *holder_at(struct api_tokens *tokens, const char *token,
				unsigned char hash[crypto_generichash_BYTES])
{
	uint32_t place;

	(void)crypto_generichash(hash, crypto_generichash_BYTES, (const unsigned char *)token,
				 strlen(token), NULL, 0);
	memcpy(&place, hash, sizeof(place));
	return &tokens->holders[place % LIMIT_CACHED_TOKENS];
}

bool api_tokens_get(struct api_tokens *tokens, const char *token, uint64_t version, int64_t now,
		    struct actor *ret_actor)
{
	unsigned char hash[crypto_generichash_BYTES];
	struct holder *holder = holder_at(tokens, token, hash);
	bool found;

	(void)pthread_mutex_lock(&tokens->lock);
	found = holder->actor.account_id != 0 && holder->version == version &&
		sodium_memcmp(holder->hash, hash, sizeof(hash)) == 0 &&
		(holder->actor.expires_at == 0 || holder->actor.expires_at > now);
	if (found)
		*ret_actor = holder->actor;
	(void)pthread_mutex_unlock(&tokens->lock);
	return found;
}

void api_tokens_put(struct api_tokens *tokens, const char *token, uint64_t version,
		    const struct actor *actor)
{
	unsigned char hash[crypto_generichash_BYTES];
	struct holder *holder = holder_at(tokens, token, hash);

	(void)pthread_mutex_lock(&tokens->lock);
	memcpy(holder->hash, hash, sizeof(hash));
	holder->version = version;
	holder->actor = *actor;
	(void)pthread_mutex_unlock(&tokens->lock);
}
