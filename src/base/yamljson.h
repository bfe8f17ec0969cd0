/* YAML 1.1 (libyaml) into a JSON tree, so that every file format has one validation.
 *
 * Plain scalars become null, booleans (true/false only), integers and reals as YAML's core schema
 * reads them; quoted ones stay strings. Refused, with line and column: syntax errors, several
 * documents, duplicate keys, keys that are not strings, more than YAML_NODES_MAX nodes after
 * aliases are written out (so that no small file becomes a large tree), nesting over
 * LIMIT_JSON_DEPTH. */
#ifndef DURE_BASE_YAMLJSON_H
#define DURE_BASE_YAMLJSON_H

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"

#define YAML_NODES_MAX 100000 /* the API's own document has some thousands */

/* `what`: for messages, "dure.yaml". An empty document gives JSON null. The caller owns *ret_json.
 */
int yaml_to_json(const char *text, size_t length, const char *what, json_t **ret_json,
		 struct err *err);

#endif
