#include "base/yamljson.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/limits.h"
#include "base/strings.h"

struct conversion {
	yaml_document_t *document;
	const char *what;
	size_t nodes;
	struct err *err;
};

static json_t *refuse(struct conversion *c, const yaml_node_t *node, const char *why)
{
	err_set(c->err, ERR_INVALID, "%s, line %zu, column %zu: %s", c->what,
		node->start_mark.line + 1, node->start_mark.column + 1, why);
	return NULL;
}

/* Integers in decimal, as JSON writes them: a leading zero stays a string (postal codes, versions).
 */
static bool is_integer(const char *text)
{
	if (*text == '-')
		text++;
	if (*text == '\0' || (*text == '0' && text[1] != '\0'))
		return false;
	return strspn(text, "0123456789") == strlen(text);
}

static bool is_real(const char *text)
{
	return strpbrk(text, "0123456789") == text + (*text == '-') && strpbrk(text, ".eE") &&
	       strspn(text, "0123456789.eE+-") == strlen(text);
}

static json_t *scalar(struct conversion *c, const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;
	int64_t integer;
	char *end;

	if (!utf8_valid(text, node->data.scalar.length) && node->data.scalar.length > 0)
		return refuse(c, node, "the value is not valid UTF-8 or contains NUL");
	if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return json_string(text);
	if (str_empty(text) || str_equal(text, "~") || str_equal(text, "null"))
		return json_null();
	if (str_equal(text, "true") || str_equal(text, "false"))
		return json_boolean(text[0] == 't');
	if (is_integer(text)) {
		if (str_to_int64(text, INT64_MIN, INT64_MAX, &integer) < 0)
			return refuse(c, node, "the number does not fit in 64 bits");
		return json_integer(integer);
	}
	if (is_real(text)) {
		double real = strtod(text, &end);
		if (*end == '\0')
			return json_real(real);
	}
	return json_string(text);
}

static json_t *convert(struct conversion *c, int index, int depth);

static json_t *sequence(struct conversion *c, const yaml_node_t *node, int depth)
{
	json_t *array = json_array();

	for (yaml_node_item_t *item = node->data.sequence.items.start;
	     item < node->data.sequence.items.top; item++) {
		json_t *value = convert(c, *item, depth + 1);
		if (!value || json_array_append_new(array, value) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *mapping(struct conversion *c, const yaml_node_t *node, int depth)
{
	json_t *object = json_object();

	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yaml_document_get_node(c->document, pair->key);
		const char *name = NULL;
		json_t *value = NULL;

		if (key->type == YAML_SCALAR_NODE)
			name = (const char *)key->data.scalar.value;
		if (!name || strlen(name) != key->data.scalar.length)
			(void)refuse(c, key, "a key must be a plain string");
		else if (json_object_get(object, name))
			(void)refuse(c, key, "the key stands here twice");
		else
			value = convert(c, pair->value, depth + 1);
		if (!value || json_object_set_new(object, name, value) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *convert(struct conversion *c, int index, int depth)
{
	const yaml_node_t *node = yaml_document_get_node(c->document, index);

	if (++c->nodes > YAML_NODES_MAX)
		return refuse(c, node, "the document is too large");
	if (depth > LIMIT_JSON_DEPTH)
		return refuse(c, node, "the document is nested too deeply");
	switch (node->type) {
	case YAML_SCALAR_NODE: return scalar(c, node);
	case YAML_SEQUENCE_NODE: return sequence(c, node, depth);
	case YAML_MAPPING_NODE: return mapping(c, node, depth);
	default: return refuse(c, node, "there is a node of an unknown kind");
	}
}

static int parse_error(const yaml_parser_t *parser, const char *what, struct err *err)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return err_oom(err);
	return err_set(err, ERR_INVALID, "%s, line %zu, column %zu: %s", what,
		       parser->problem_mark.line + 1, parser->problem_mark.column + 1,
		       parser->problem ? parser->problem : "not YAML");
}

static bool another_document(yaml_parser_t *parser)
{
	yaml_document_t next;

	if (!yaml_parser_load(parser, &next))
		return true; /* what follows is not even YAML */
	bool found = yaml_document_get_root_node(&next) != NULL;
	yaml_document_delete(&next);
	return found;
}

int yaml_to_json(const char *text, size_t length, const char *what, json_t **ret_json,
		 struct err *err)
{
	yaml_parser_t parser;
	yaml_document_t document;
	json_t *json = NULL;

	if (!yaml_parser_initialize(&parser))
		return err_oom(err);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	if (!yaml_parser_load(&parser, &document)) {
		(void)parse_error(&parser, what, err);
		yaml_parser_delete(&parser);
		return -1;
	}
	struct conversion c = { &document, what, 0, err };
	if (!yaml_document_get_root_node(&document))
		json = json_null();
	else
		json = convert(&c, 1, 1); /* libyaml numbers nodes from 1; the root is the first */
	if (json && !json_is_null(json) && another_document(&parser)) {
		json_decref(json);
		json = NULL;
		err_set(err, ERR_INVALID, "%s: one document is expected, there are more", what);
	}
	yaml_document_delete(&document);
	yaml_parser_delete(&parser);
	if (!json)
		return err->code == ERR_NONE ? err_oom(err) : -1;
	*ret_json = json;
	return 0;
}
