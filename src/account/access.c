/* Who may do what: asked by everything that loads an object or changes one. */
#include "account/account.h"

int account_require_owner(const struct actor *actor, int64_t owner_id, const char *what,
			  struct err *err)
{
	bool owns = actor->account_id != 0 && actor->account_id == owner_id;

	if (owns || actor->role == ROLE_OPERATOR)
		return 0;
	return err_set(err, ERR_NOT_FOUND, "there is no %s", what);
}

int64_t account_owner_filter(const struct actor *actor)
{
	if (actor->role == ROLE_OPERATOR)
		return 0;
	/* Nobody owns nothing, and 0 would mean everything. */
	return actor->account_id == 0 ? -1 : actor->account_id;
}

int account_require_role(const struct actor *actor, enum role role, struct err *err)
{
	if (actor->role >= role)
		return 0;
	if (actor->role == ROLE_NOBODY)
		return err_set(err, ERR_UNAUTHENTICATED,
			       "log in first: no session or API token came with the request");
	return err_set(err, ERR_FORBIDDEN, "%s is a %s; this needs a %s", actor->login,
		       account_role_name(actor->role), account_role_name(role));
}
