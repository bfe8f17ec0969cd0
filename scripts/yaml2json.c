/* Build tool: yaml2json IN OUT writes the YAML file IN as compact JSON. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/yamljson.h"

int main(int argc, char **argv)
{
	ERR_AUTO(err);
	BUF_AUTO text = BUF_INIT((size_t)16 * 1024 * 1024);
	char piece[16384];
	size_t got;
	json_t *value;

	if (argc != 3) {
		fprintf(stderr, "usage: yaml2json IN OUT\n");
		return 2;
	}
	FILE *in = fopen(argv[1], "rb");
	if (!in) {
		perror(argv[1]);
		return 1;
	}
	while ((got = fread(piece, 1, sizeof(piece), in)) > 0)
		buf_append(&text, piece, got);
	(void)fclose(in);
	if (text.failed ||
	    yaml_to_json(text.data ? text.data : "", text.length, argv[1], &value, &err) < 0) {
		fprintf(stderr, "%s\n", text.failed ? "the file is too large" : err.message);
		return 1;
	}
	int failed = json_dump_file(value, argv[2], JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(value);
	if (failed) {
		fprintf(stderr, "%s: cannot be written\n", argv[2]);
		return 1;
	}
	return 0;
}
