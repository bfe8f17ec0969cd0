/* Any bytes as an image reference: refused with a sentence, or its canonical form means the same
 * whatever the default registry. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "registry/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const defaults[] = { "docker.io", "ghcr.io", NULL };
	struct reference first, again;

	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		ARENA_AUTO arena = arena_new(1 << 20);
		ERR_AUTO(err);
		char *text = arena_strndup(arena, (const char *)data, size);

		if (reference_parse(text, defaults[i], arena, &first, &err) < 0) {
			must(err.code == ERR_INVALID && err.message[0] != '\0');
			continue;
		}
		must(first.domain && first.path && (first.tag || first.digest));
		must(reference_parse(first.canonical, NULL, arena, &again, &err) == 0);
		must(str_equal(first.canonical, again.canonical));
		must(str_equal(first.domain, again.domain) && str_equal(first.path, again.path));
		must(str_equal(first.tag, again.tag) && str_equal(first.digest, again.digest));
	}
	return 0;
}
