/* registry: image references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/strings.h"
#include "registry/reference.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define COMPONENT_64 "a123456789b123456789c123456789d123456789e123456789f123456789g123"
#define HEX_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct good {
	const char *text, *default_domain;
	const char *domain, *path, *tag, *digest, *canonical;
} goods[] = {
	{ "nginx", "docker.io", "docker.io", "library/nginx", "latest", NULL,
	  "docker.io/library/nginx:latest" },
	{ "nginx:1.25", "docker.io", "docker.io", "library/nginx", "1.25", NULL,
	  "docker.io/library/nginx:1.25" },
	{ "user/app", "docker.io", "docker.io", "user/app", "latest", NULL,
	  "docker.io/user/app:latest" },
	{ "docker.io/nginx", "ghcr.io", "docker.io", "library/nginx", "latest", NULL,
	  "docker.io/library/nginx:latest" },
	{ "index.docker.io/nginx", NULL, "docker.io", "library/nginx", "latest", NULL,
	  "docker.io/library/nginx:latest" },
	{ "app", "ghcr.io", "ghcr.io", "app", "latest", NULL, "ghcr.io/app:latest" },
	{ "GHCR.io/owner/app:V1", NULL, "ghcr.io", "owner/app", "V1", NULL,
	  "ghcr.io/owner/app:V1" },
	{ "localhost/app", NULL, "localhost", "app", "latest", NULL, "localhost/app:latest" },
	{ "localhost:5000", "docker.io", "docker.io", "library/localhost", "5000", NULL,
	  "docker.io/library/localhost:5000" },
	{ "127.0.0.1:5000/a/b:t", NULL, "127.0.0.1:5000", "a/b", "t", NULL,
	  "127.0.0.1:5000/a/b:t" },
	{ "[::1]:5000/a", NULL, "[::1]:5000", "a", "latest", NULL, "[::1]:5000/a:latest" },
	{ "[2001:db8::1]/a", NULL, "[2001:db8::1]", "a", "latest", NULL, "[2001:db8::1]/a:latest" },
	{ "my-host.example.com/a__b/c-d/e.f/g---h", NULL, "my-host.example.com",
	  "a__b/c-d/e.f/g---h", "latest", NULL, "my-host.example.com/a__b/c-d/e.f/g---h:latest" },
	{ "app@" DIGEST, "docker.io", "docker.io", "library/app", NULL, DIGEST,
	  "docker.io/library/app@" DIGEST },
	{ "quay.io/o/app:1@" DIGEST, NULL, "quay.io", "o/app", "1", DIGEST,
	  "quay.io/o/app:1@" DIGEST },
	{ "nvcr.io/nvidia/pytorch:24.05-py3", "nvcr.io", "nvcr.io", "nvidia/pytorch", "24.05-py3",
	  NULL, "nvcr.io/nvidia/pytorch:24.05-py3" },
	{ "app:_x", "docker.io", "docker.io", "library/app", "_x", NULL,
	  "docker.io/library/app:_x" },
	{ "app:" COMPONENT_64 COMPONENT_64, "docker.io", "docker.io", "library/app",
	  COMPONENT_64 COMPONENT_64, NULL, "docker.io/library/app:" COMPONENT_64 COMPONENT_64 },
	{ "o/" HEX_64, "docker.io", "docker.io", "o/" HEX_64, "latest", NULL,
	  "docker.io/o/" HEX_64 ":latest" },
};

static void good_references_are_taken_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
		const struct good *good = &goods[i];
		ARENA_AUTO arena = arena_new(1 << 16);
		struct reference reference;
		ERR_AUTO(err);

		if (reference_parse(good->text, good->default_domain, arena, &reference, &err) < 0)
			fail_msg("%s: %s", good->text, err.message);
		assert_string_equal(reference.domain, good->domain);
		assert_string_equal(reference.path, good->path);
		assert_true(str_equal(reference.tag, good->tag));
		assert_true(str_equal(reference.digest, good->digest));
		assert_string_equal(reference.canonical, good->canonical);
		/* The canonical form says the same, whatever the default. */
		struct reference again;
		assert_int_equal(reference_parse(reference.canonical, NULL, arena, &again, &err),
				 0);
		assert_string_equal(again.canonical, reference.canonical);
	}
}

static const struct bad {
	const char *text;
	const char *says; /* part of the sentence */
} bads[] = {
	{ "", "empty" },
	{ " nginx", "space at position 1" },
	{ "nginx latest", "space at position 6" },
	{ "nginx\n", "byte 0x0a at position 6" },
	{ "\xec\x9d\xb4\xeb\xaf\xb8\xec\xa7\x80", "byte 0xec at position 1" },
	{ "https://ghcr.io/o/app", "leave out \"https://\"" },
	{ "Nginx", "upper-case letter 'N'" },
	{ "MyName/app", "upper-case letter 'M'" },
	{ "ghcr.io/Owner/app", "upper-case letter 'O'" },
	{ "nginx:", "tag behind ':' is empty" },
	{ "nginx:-x", "begins with '-'" },
	{ "nginx:.x", "begins with '.'" },
	{ "nginx:a+b", "has '+'" },
	{ "nginx:a:b", "has ':'" },
	{ "nginx:" COMPONENT_64 COMPONENT_64 "x", "129 characters" },
	{ "nginx@", "begin with \"sha256:\"" },
	{ "nginx@md5:abc", "begin with \"sha256:\"" },
	{ "nginx@sha256:abc", "3 hexadecimal digits" },
	{ "nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeF",
	  "has 'F' at its hexadecimal digit 64" },
	{ "nginx@" DIGEST "@" DIGEST, "hexadecimal digits; sha256 has 64" },
	{ "@" DIGEST, "no image name" },
	{ ":tag", "no image name" },
	{ "/nginx", "empty part" },
	{ "ghcr.io/", "no image name" },
	{ "ghcr.io/a//b", "empty part" },
	{ "ghcr.io/a/", "empty part" },
	{ "a..b", "separators \"..\" in a row" },
	{ "a___b", "separators \"___\" in a row" },
	{ "a-_b", "in a row" },
	{ "-a", "begins or ends with '-'" },
	{ "a_", "begins or ends with '_'" },
	{ "o/.a", "begins or ends with '.'" },
	{ "a-$b", "has '$'" },
	{ "a!b", "has '!'" },
	{ "host:0/a", "not a port" },
	{ "host:65536/a", "not a port" },
	{ "host:99999999999999999999/a", "not a port" },
	{ "host:/a", "not a port" },
	{ "host:5x/a", "not a port" },
	{ "-host.com/a", "hyphen" },
	{ "host-.com/a", "hyphen" },
	{ "host..com/a", "empty part" },
	{ "host_x.com/a", "has '_'" },
	{ ".com/a", "empty part" },
	{ "[::1/a.b:c", "opening bracket only" },
	{ "[::1]x:5/a", "only a port may follow" },
	{ "[::g]:5/a", "not an IPv6 address" },
	{ "[]:5/a", "not an IPv6 address" },
	{ HEX_64, "image id" },
};

static void bad_references_are_explained(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		ARENA_AUTO arena = arena_new(1 << 16);
		struct reference reference = { 0 };
		ERR_AUTO(err);

		if (reference_parse(bads[i].text, "docker.io", arena, &reference, &err) != -1)
			fail_msg("\"%s\" was taken", bads[i].text);
		assert_int_equal(err.code, ERR_INVALID);
		if (!strstr(err.message, bads[i].says))
			fail_msg("\"%s\": \"%s\" does not say \"%s\"", bads[i].text, err.message,
				 bads[i].says);
		assert_null(reference.canonical);
	}
}

static void lengths_have_ceilings(void **state)
{
	ARENA_AUTO arena = arena_new(1 << 16);
	char text[700] = "ghcr.io/";
	struct reference reference;
	ERR_AUTO(err);

	(void)state;
	memset(text + 8, 'a', 255);
	assert_int_equal(reference_parse(text, NULL, arena, &reference, &err), 0);
	text[8 + 255] = 'a';
	assert_int_equal(reference_parse(text, NULL, arena, &reference, &err), -1);
	assert_non_null(strstr(err.message, "256 characters; at most 255"));
	/* library/ counts, or the canonical form would be refused. */
	text[8 + 248] = '\0';
	assert_int_equal(reference_parse(text + 8, "docker.io", arena, &reference, &err), -1);
	text[8 + 247] = '\0';
	assert_int_equal(reference_parse(text + 8, "docker.io", arena, &reference, &err), 0);
	memset(text + 8, 'a', 600);
	assert_int_equal(reference_parse(text, NULL, arena, &reference, &err), -1);
	assert_non_null(strstr(err.message, "608 bytes; at most 512"));
	/* Short enough as given, but not with the tag that is written out. */
	memset(text, 'h', 510);
	memcpy(text, "h.", 2);
	memcpy(text + 510, "/a", 3);
	assert_int_equal(reference_parse(text, NULL, arena, &reference, &err), -1);
	assert_non_null(strstr(err.message, "in full has 519 bytes"));
}

static void host_is_asked_for_without_a_default(void **state)
{
	ARENA_AUTO arena = arena_new(1 << 16);
	struct reference reference;
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(reference_parse("owner/app", NULL, arena, &reference, &err), -1);
	assert_non_null(strstr(err.message, "must begin with the registry's host"));
	assert_non_null(strstr(err.message, "registry.example.com/owner/app"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_references_are_taken_apart),
		cmocka_unit_test(bad_references_are_explained),
		cmocka_unit_test(lengths_have_ceilings),
		cmocka_unit_test(host_is_asked_for_without_a_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
