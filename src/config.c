#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fields.h"
#include "base/strings.h"
#include "base/yamljson.h"

#define CONFIG_FILE_MAX (256 * 1024)

enum kind { TEXT, NUMBER };

struct setting {
	const char *path;
	enum kind kind;
	size_t offset;
	const char *fallback;
	int64_t min, max;
	const char *help;
};

static const struct setting settings[] = {
#define X(member, path, kind, fallback, min, max, help)                                            \
	{ path, kind, offsetof(struct config, member), fallback, min, max, help },
	CONFIG_SETTINGS(X)
#undef X
};

#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

static char **text_of(struct config *config, const struct setting *setting)
{
	return (char **)(void *)((char *)config + setting->offset);
}

static int64_t *number_of(struct config *config, const struct setting *setting)
{
	return (int64_t *)(void *)((char *)config + setting->offset);
}

void config_clear(struct config *config)
{
	for (size_t i = 0; i < N_SETTINGS; i++)
		if (settings[i].kind == TEXT) {
			free(*text_of(config, &settings[i]));
			*text_of(config, &settings[i]) = NULL;
		}
}

/* `source`: where the value stands, for the message. */
static int set(struct config *config, const struct setting *setting, const char *value,
	       const char *source, struct err *err)
{
	if (setting->kind == NUMBER) {
		if (str_to_int64(value, setting->min, setting->max, number_of(config, setting)) < 0)
			return err_set(err, ERR_INVALID,
				       "%s: \"%s\" is not a whole number from %" PRId64
				       " to %" PRId64,
				       source, value, setting->min, setting->max);
		return 0;
	}
	char *copy = strdup(value);
	if (!copy)
		return err_oom(err);
	free(*text_of(config, setting));
	*text_of(config, setting) = copy;
	return 0;
}

/* "service.port" → "service-port" or "DURE_SERVICE_PORT". */
static void flag_name(const struct setting *setting, char *out, size_t size)
{
	str_copy(out, size, setting->path);
	for (; *out; out++)
		if (*out == '.' || *out == '_')
			*out = '-';
}

static void variable_name(const struct setting *setting, char *out, size_t size)
{
	str_copy(out, size, "DURE_");
	str_copy(out + 5, size - 5, setting->path);
	for (; *out; out++)
		*out = *out == '.' ? '_' : (char)toupper((unsigned char)*out);
}

static int read_file(const char *path, struct buf *ret_text, struct err *err)
{
	char chunk[4096];
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set_errno(err, ERR_INVALID, errno, "configuration file %s", path);
	while ((got = read(fd, chunk, sizeof(chunk))) > 0)
		buf_append(ret_text, chunk, (size_t)got);
	int error = errno;
	(void)close(fd);
	if (got < 0)
		return err_set_errno(err, ERR_INVALID, error, "configuration file %s", path);
	if (ret_text->failed)
		return err_set(err, ERR_INVALID, "configuration file %s is over %d bytes", path,
			       CONFIG_FILE_MAX);
	return 0;
}

/* The scalar at "service.port" below `root`, removed from it so that what is left is unknown. */
static json_t *take_scalar(json_t *root, const char *path)
{
	const char *dot = strchr(path, '.');
	char group[32];
	json_t *value;

	if (!dot) {
		value = json_incref(json_object_get(root, path));
		(void)json_object_del(root, path);
		return value;
	}
	str_copy(group, (size_t)(dot - path) + 1, path);
	json_t *child = json_object_get(root, group);
	value = json_incref(json_object_get(child, dot + 1));
	(void)json_object_del(child, dot + 1);
	if (json_is_object(child) && json_object_size(child) == 0)
		(void)json_object_del(root, group);
	return value;
}

static int apply_scalar(struct config *config, const struct setting *setting, const char *file,
			json_t *value, struct err *err)
{
	char source[320], number[32];
	const char *text = json_string_value(value);

	(void)snprintf(source, sizeof(source), "%s: %s", file, setting->path);
	if (json_is_integer(value)) {
		(void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			       json_integer_value(value));
		text = number;
	}
	if (!text)
		return err_set(err, ERR_INVALID, "%s must be a %s", source,
			       setting->kind == NUMBER ? "whole number" : "string");
	return set(config, setting, text, source, err);
}

static int apply_file(struct config *config, const char *path, struct err *err)
{
	BUF_AUTO text = BUF_INIT(CONFIG_FILE_MAX);
	json_t *root = NULL;
	int r = 0;

	if (read_file(path, &text, err) < 0)
		return -1;
	if (yaml_to_json(text.data ? text.data : "", text.length, path, &root, err) < 0)
		return -1;
	if (!json_is_object(root) && !json_is_null(root))
		r = err_set(err, ERR_INVALID, "%s: a mapping of settings is expected", path);
	for (size_t i = 0; r == 0 && i < N_SETTINGS; i++) {
		json_t *value = take_scalar(root, settings[i].path);
		if (value && !json_is_null(value))
			r = apply_scalar(config, &settings[i], path, value, err);
		json_decref(value);
	}
	if (r == 0 && json_object_size(root) > 0) {
		void *at = json_object_iter(root);
		json_t *group = json_object_iter_value(at);
		void *inner = json_is_object(group) ? json_object_iter(group) : NULL;
		r = err_set(err, ERR_INVALID,
			    "%s: there is no setting \"%s%s%s\"; see dure serve --help", path,
			    json_object_iter_key(at), inner ? "." : "",
			    inner ? json_object_iter_key(inner) : "");
	}
	json_decref(root);
	return r;
}

static int apply_environment(struct config *config, struct err *err)
{
	for (size_t i = 0; i < N_SETTINGS; i++) {
		char name[64];
		variable_name(&settings[i], name, sizeof(name));
		const char *value = getenv(name);
		if (value && set(config, &settings[i], value, name, err) < 0)
			return -1;
	}
	return 0;
}

static void print_help(void)
{
	printf("Usage: dure serve [--config FILE] [--SETTING VALUE]…\n\n"
	       "Runs Dure. Settings come from dure.yaml, the environment and flags; flags win.\n\n"
	       "  %-26s %s\n",
	       "--config FILE", "YAML file (default ./dure.yaml, then /etc/dure/dure.yaml)");
	for (size_t i = 0; i < N_SETTINGS; i++) {
		char flag[64], name[72], variable[64];
		flag_name(&settings[i], flag, sizeof(flag));
		(void)snprintf(name, sizeof(name), "--%s", flag);
		variable_name(&settings[i], variable, sizeof(variable));
		printf("  %-26s %s%s%s%s\n  %-26s   %s in YAML, %s in the environment\n", name,
		       settings[i].help, settings[i].fallback[0] ? " (" : "", settings[i].fallback,
		       settings[i].fallback[0] ? ")" : "", "", settings[i].path, variable);
	}
}

/* The value of the flag at argv[*at] ("--name value" or "--name=value"), *at moved to its last
 * word. */
static const char *flag_value(char **argv, int argc, int *at, char *name, size_t size)
{
	const char *equals = strchr(argv[*at], '=');

	str_copy(name, size, argv[*at] + 2);
	if (equals) {
		size_t length = (size_t)(equals - argv[*at]) - 2;
		if (length < size)
			name[length] = '\0';
		return equals + 1;
	}
	return *at + 1 < argc ? argv[++*at] : NULL;
}

static int apply_flag(struct config *config, const char *name, const char *value, struct err *err)
{
	char source[80];

	(void)snprintf(source, sizeof(source), "--%s", name);
	if (!value)
		return err_set(err, ERR_INVALID, "--%s needs a value", name);
	for (size_t i = 0; i < N_SETTINGS; i++) {
		char flag[64];
		flag_name(&settings[i], flag, sizeof(flag));
		if (str_equal(flag, name))
			return set(config, &settings[i], value, source, err);
	}
	if (str_equal(name, "config"))
		return 0; /* was read before */
	return err_set(err, ERR_INVALID, "there is no flag --%s; see dure serve --help", name);
}

static int apply_flags(struct config *config, int argc, char **argv, struct err *err)
{
	for (int i = 1; i < argc; i++) {
		char name[72];
		if (!str_starts(argv[i], "--"))
			return err_set(err, ERR_INVALID, "\"%s\" is not a flag of dure serve",
				       argv[i]);
		const char *value = flag_value(argv, argc, &i, name, sizeof(name));
		if (apply_flag(config, name, value, err) < 0)
			return -1;
	}
	return 0;
}

/* Which file to read, NULL for none. */
static const char *config_file(int argc, char **argv)
{
	static const char *const usual[] = { "dure.yaml", "/etc/dure/dure.yaml" };

	for (int i = 1; i < argc; i++) {
		char name[72];
		if (!str_starts(argv[i], "--config"))
			continue;
		const char *value = flag_value(argv, argc, &i, name, sizeof(name));
		if (str_equal(name, "config"))
			return value;
	}
	if (getenv("DURE_CONFIG"))
		return getenv("DURE_CONFIG");
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (access(usual[i], R_OK) == 0)
			return usual[i];
	return NULL;
}

static int default_data_dir(struct config *config, struct err *err)
{
	const char *home = getenv("HOME"), *data = getenv("XDG_DATA_HOME");
	char path[512];

	if (!str_empty(config->data_dir))
		return 0;
	if (geteuid() == 0)
		str_copy(path, sizeof(path), "/var/lib/dure");
	else if (!str_empty(data))
		(void)snprintf(path, sizeof(path), "%s/dure", data);
	else if (!str_empty(home))
		(void)snprintf(path, sizeof(path), "%s/.local/share/dure", home);
	else
		return err_set(err, ERR_INVALID, "set --data-dir: there is no HOME to put it in");
	free(config->data_dir);
	config->data_dir = strdup(path);
	return config->data_dir ? 0 : err_oom(err);
}

static int load(int argc, char **argv, struct config *config, struct err *err)
{
	const char *file = config_file(argc, argv);

	for (size_t i = 0; i < N_SETTINGS; i++)
		if (set(config, &settings[i], settings[i].fallback, settings[i].path, err) < 0)
			return -1;
	if (file && apply_file(config, file, err) < 0)
		return -1;
	if (apply_environment(config, err) < 0 || apply_flags(config, argc, argv, err) < 0)
		return -1;
	return default_data_dir(config, err);
}

int config_load(int argc, char **argv, struct config *ret_config, struct err *err)
{
	CONFIG_AUTO(config);

	for (int i = 1; i < argc; i++)
		if (str_equal(argv[i], "--help") || str_equal(argv[i], "-h")) {
			print_help();
			exit(0);
		}
	if (load(argc, argv, &config, err) < 0)
		return -1;
	*ret_config = config;
	config = (struct config){ 0 };
	return 0;
}

int config_split_listen(const char *listen, char *address, uint16_t *ret_port, struct err *err)
{
	const char *colon = strrchr(listen, ':');
	int64_t port;

	if (!colon || str_to_int64(colon + 1, 0, 65535, &port) < 0 || colon - listen > 60)
		return err_set(err, ERR_INVALID,
			       "listen: \"%s\" is not address:port, for example 127.0.0.1:8080",
			       listen);
	bool bracketed = listen[0] == '[' && colon > listen + 1 && colon[-1] == ']';
	size_t length = (size_t)(colon - listen) - (bracketed ? 2 : 0);
	memcpy(address, listen + bracketed, length);
	address[length] = '\0';
	*ret_port = (uint16_t)port;
	return 0;
}
