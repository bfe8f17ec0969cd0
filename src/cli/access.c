/* dure login, logout, whoami, password */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/limits.h"
#include "base/strings.h"
#include "cli/app.h"
#include "cli/credentials.h"
#include "cli/prompt.h"
#include "cli/report.h"

#define LOGIN_MAX 129 /* struct actor's */

struct secret {
	char text[LIMIT_PASSWORD_BYTES + 1];
};

/* Not optimised away, unlike a memset before the end of a life. */
static void secret_forget(struct secret *secret) { explicit_bzero(secret, sizeof(*secret)); }
#define SECRET_AUTO __attribute__((cleanup(secret_forget))) struct secret

static void warn_clear_text(const struct cli *cli, const char *url)
{
	if (str_starts(url, "http://") && !str_starts(url, "http://localhost") &&
	    !str_starts(url, "http://127.") && !str_starts(url, "http://[::1]"))
		report_note(cli,
			    "Warning: %s is not encrypted; password and token can be read on "
			    "the way.",
			    url);
}

/* "cli-<host>-<random>": which machine it is, and unique among them. */
static const char *token_name(struct cli *cli)
{
	struct env env = env_system(NULL);
	char host[33], random[9];
	unsigned char bytes[4];

	if (gethostname(host, sizeof(host)) < 0)
		str_copy(host, sizeof(host), "unknown");
	host[sizeof(host) - 1] = '\0';
	env_random(&env, bytes, sizeof(bytes));
	hex_encode(bytes, sizeof(bytes), random);
	return arena_printf(cli->arena, "cli-%s-%s", host, random);
}

static int ask(struct cli *cli, char login[LOGIN_MAX], struct secret *password, struct err *err)
{
	const char *user = args_value(&cli->args, "user");

	if (user && strlen(user) >= LOGIN_MAX)
		return err_set(err, ERR_INVALID, "the user's name is too long");
	if (user)
		str_copy(login, LOGIN_MAX, user);
	else if (prompt_line("User", false, login, LOGIN_MAX, err) < 0)
		return -1;
	if (args_has(&cli->args, "password-stdin"))
		return prompt_stdin_line(password->text, sizeof(password->text), err);
	return prompt_line("Password", true, password->text, sizeof(password->text), err);
}

/* Session → API token; the session ends again, whatever happens in between. */
static int obtain_token(struct cli *cli, struct client *client, const char *login,
			const struct secret *password, struct credentials *credentials,
			struct err *err)
{
	json_auto_t *body = json_pack("{s:s, s:s}", "login", login, "password", password->text);
	json_auto_t *name = json_pack("{s:s}", "name", token_name(cli));
	json_auto_t *created = NULL;
	ERR_AUTO(ignored);

	if (!body || !name)
		return err_set(err, ERR_INVALID, "user and password must be UTF-8");
	if (client_call(client, "POST", "/session", body, NULL, err) < 0)
		return -1;
	if (!client_use_session(client))
		return err_set(err, ERR_INTERNAL, "%s logged in but sent no session",
			       client_url(client));
	int rc = client_call(client, "POST", "/tokens", name, &created, err);
	(void)client_call(client, "DELETE", "/session", NULL, NULL, &ignored);
	if (rc < 0)
		return -1;
	const char *token = json_string_value(json_object_get(created, "token"));
	if (!token)
		return err_set(err, ERR_INTERNAL, "%s sent no token", client_url(client));
	*credentials = (struct credentials){ .url = client_url(client),
					     .token = arena_strdup(cli->arena, token),
					     .login = arena_strdup(cli->arena, login),
					     .token_id = member_int(created, "id") };
	return credentials->token && credentials->login ? 0 : err_oom(err);
}

/* Deletes a saved token on its server. */
static int token_revoke(struct cli *cli, const struct credentials *saved, struct err *err)
{
	struct client *client = NULL;
	const char *path = arena_printf(cli->arena, "/tokens/%" PRId64, saved->token_id);

	if (!path)
		return err_oom(err);
	if (client_new(saved->url, saved->token, cli->request_timeout_s, &client, err) < 0)
		return -1;
	int rc = client_call(client, "DELETE", path, NULL, NULL, err);
	client_free(client);
	return rc;
}

static int run_login(struct cli *cli, struct err *err)
{
	struct credentials fresh = { 0 }, old = { 0 };
	char login[LOGIN_MAX];
	SECRET_AUTO password = { "" };
	const char *url;
	bool had = false;
	ERR_AUTO(ignored);

	if (credentials_load(cli->arena, &old, &had, &ignored) < 0)
		had = false; /* what cannot be read is about to be replaced */
	url = cli->url_flag;
	if (str_empty(url) && cli_url(cli, &url, err) < 0)
		return -1;
	warn_clear_text(cli, url);
	if (ask(cli, login, &password, err) < 0 ||
	    client_new(url, NULL, cli->request_timeout_s, &cli->client, err) < 0 ||
	    obtain_token(cli, cli->client, login, &password, &fresh, err) < 0)
		return -1;
	if (credentials_save(cli->arena, &fresh, err) < 0) {
		(void)token_revoke(cli, &fresh, &ignored);
		return -1;
	}
	if (had && old.token_id > 0)
		(void)token_revoke(cli, &old, &ignored); /* nobody has it any more */
	if (cli->json) {
		json_auto_t *answer = json_pack("{s:s, s:s}", "url", fresh.url, "login", login);
		report_json(answer);
	} else {
		report_note(cli, "Logged in to %s as %s; the token is in %s.", fresh.url, login,
			    credentials_path(cli->arena));
		if (!str_empty(getenv("DURE_TOKEN")))
			report_note(cli, "DURE_TOKEN is set and goes before it; unset it to use "
					 "this login.");
	}
	return CLI_OK;
}

static int run_logout(struct cli *cli, struct err *err)
{
	struct credentials saved = { 0 };
	bool found = false;

	if (credentials_load(cli->arena, &saved, &found, err) < 0)
		return -1;
	if (!found) {
		report_note(cli, "Not logged in.");
		return CLI_OK;
	}
	int rc = token_revoke(cli, &saved, err);
	/* Unknown there already: nothing is left to do but forget it. */
	bool gone = rc < 0 && (err->code == ERR_UNAUTHENTICATED || err->code == ERR_NOT_FOUND);
	if (rc < 0 && !gone)
		return err_wrap(err, "the token is kept because it could not be deleted");
	err_clear(err);
	if (credentials_remove(cli->arena, err) < 0)
		return -1;
	report_note(cli, "Logged out of %s.", saved.url);
	return CLI_OK;
}

static int run_whoami(struct cli *cli, struct err *err)
{
	json_auto_t *account = NULL;

	if (cli_call(cli, "GET", "/session", NULL, &account, err) < 0)
		return -1;
	if (cli->json)
		report_json(account);
	else if (cli->quiet)
		report_line("%s", member_text(cli, account, "login"));
	else
		report_line("%s (%s) at %s", member_text(cli, account, "login"),
			    member_text(cli, account, "role"), client_url(cli->client));
	return CLI_OK;
}

static int run_password(struct cli *cli, struct err *err)
{
	SECRET_AUTO old_password = { "" };
	SECRET_AUTO new_password = { "" };
	SECRET_AUTO again = { "" };
	size_t size = sizeof(old_password.text);

	if (args_has(&cli->args, "password-stdin")) {
		if (prompt_stdin_line(old_password.text, size, err) < 0 ||
		    prompt_stdin_line(new_password.text, size, err) < 0)
			return err_wrap(err, "two lines are needed, the old and the new password");
	} else {
		if (prompt_line("Old password", true, old_password.text, size, err) < 0 ||
		    prompt_line("New password", true, new_password.text, size, err) < 0 ||
		    prompt_line("New password again", true, again.text, size, err) < 0)
			return -1;
		if (!str_equal(new_password.text, again.text))
			return err_set(err, ERR_INVALID, "the two new passwords differ");
	}
	json_auto_t *body = json_pack("{s:s, s:s}", "old_password", old_password.text,
				      "new_password", new_password.text);
	struct client *client;
	if (!body)
		return err_set(err, ERR_INVALID, "a password must be UTF-8");
	if (cli_client(cli, &client, err) < 0 ||
	    client_call(client, "PUT", "/account/password", body, NULL, err) < 0)
		return -1;
	report_note(cli, "The password is changed.");
	return CLI_OK;
}

static const struct flag login_flags[] = {
	{ "user", 'u', "NAME", "Who logs in (asked for otherwise)", FLAG_TEXT, NULL, false },
	{ "password-stdin", 0, NULL, "Read the password from the standard input", FLAG_SWITCH, NULL,
	  false },
	{ 0 },
};

static const struct flag password_flags[] = {
	{ "password-stdin", 0, NULL, "Read the old and the new password, a line each", FLAG_SWITCH,
	  NULL, false },
	{ 0 },
};

const struct verb verbs_access[] = {
	{ NULL, "login", "", 0, 0, false, login_flags,
	  "Log in and keep an API token for further calls",
	  "dure login --url https://gpu.example.com --user kim", run_login },
	{ NULL, "logout", "", 0, 0, false, NULL,
	  "Delete the kept API token, here and on the server", "dure logout", run_logout },
	{ NULL, "whoami", "", 0, 0, false, NULL, "Show the account and the server in use",
	  "dure whoami -o json", run_whoami },
	{ NULL, "password", "", 0, 0, false, password_flags, "Change the password",
	  "printf '%s\\n' \"$OLD\" \"$NEW\" | dure password --password-stdin", run_password },
	{ 0 },
};
