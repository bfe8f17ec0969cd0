/* base: errors, arena, buffers, JSON writer, strings, times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/jsonw.h"
#include "base/strings.h"
#include "base/timefmt.h"

static void error_keeps_code_and_gains_context(void **state)
{
	ERR_AUTO(err);

	(void)state;
	assert_int_equal(err_set(&err, ERR_NOT_FOUND, "no workload %d", 7), -1);
	err_extra(&err, "ser", json_integer(7));
	err_wrap(&err, "deploy of %s", "x");
	assert_string_equal(err.message, "deploy of x: no workload 7");
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(json_integer_value(json_object_get(err.extra, "ser")), 7);
	assert_string_equal(err_slug(err.code), "not-found");
	assert_int_equal(err_status(err.code), 404);
}

static void error_may_quote_itself(void **state)
{
	ERR_AUTO(err);

	(void)state;
	err_set(&err, ERR_INVALID, "inner");
	err_set(&err, ERR_INTERNAL, "outer %s", err.message);
	assert_string_equal(err.message, "outer inner");
}

static void arena_stops_at_its_ceiling(void **state)
{
	struct arena *arena = arena_new(1024);

	(void)state;
	assert_non_null(arena_alloc(arena, 1000));
	assert_null(arena_alloc(arena, 1000));
	assert_null(arena_array(arena, SIZE_MAX / 2, 4));
	arena_reset(arena);
	char *text = arena_printf(arena, "%s-%d", "a", 5);
	assert_string_equal(text, "a-5");
	assert_null(arena_strdup(arena, NULL));
	assert_null(arena_free(arena));
}

static void buffer_fails_once_and_stays_failed(void **state)
{
	BUF_AUTO buf = BUF_INIT(8);

	(void)state;
	buf_puts(&buf, "1234");
	buf_puts(&buf, "56789");
	assert_true(buf.failed);
	buf_puts(&buf, "x");
	assert_int_equal(buf.length, 4);
	buf_clear(&buf);
	buf_printf(&buf, "%d", 12345678);
	assert_false(buf.failed);
	buf_consume(&buf, 3);
	assert_string_equal(buf.data, "45678");
}

static void json_is_escaped_and_separated(void **state)
{
	BUF_AUTO buf = BUF_INIT(4096);
	struct jsonw w = jsonw_begin(&buf);

	(void)state;
	jsonw_object(&w);
	jsonw_kv_string(&w, "a", "q\"\\\n\x01한\xff.");
	jsonw_kv_int(&w, "b", INT64_MIN);
	jsonw_key(&w, "c");
	jsonw_array(&w);
	jsonw_null(&w);
	jsonw_bool(&w, true);
	jsonw_time(&w, INT64_C(1500));
	jsonw_array_end(&w);
	jsonw_kv_string(&w, "d", NULL);
	jsonw_object_end(&w);
	assert_string_equal(buf.data, "{\"a\":\"q\\\"\\\\\\n\\u0001한\xef\xbf\xbd.\","
				      "\"b\":-9223372036854775808,"
				      "\"c\":[null,true,\"1970-01-01T00:00:00.001Z\"],\"d\":null}");
}

static void strings_are_cut_between_characters(void **state)
{
	char out[6];
	int64_t value = 0;

	(void)state;
	str_copy(out, sizeof(out), "ab한글");
	assert_string_equal(out, "ab한");
	assert_int_equal(utf8_length("ab한글"), 4);
	assert_true(utf8_valid("\xf0\x9f\x98\x80", 4));
	assert_false(utf8_valid("\xed\xa0\x80", 3)); /* surrogate */
	assert_false(utf8_valid("\xc0\xaf", 2));     /* overlong */
	assert_false(utf8_valid("a\0b", 3));
	assert_int_equal(str_to_int64("42", 0, 100, &value), 0);
	assert_int_equal(value, 42);
	assert_true(str_to_int64("42x", 0, 100, &value) < 0);
	assert_true(str_to_int64(" 42", 0, 100, &value) < 0);
	assert_true(str_to_int64("101", 0, 100, &value) < 0);
	assert_true(str_to_int64("99999999999999999999", 0, INT64_MAX, &value) < 0);
}

static void times_go_both_ways(void **state)
{
	char text[TIMEFMT_RFC3339_SIZE];
	int64_t time = 0, back = 0;

	(void)state;
	assert_int_equal(timefmt_parse_rfc3339("2026-11-23T23:21:07.123456789Z", &time), 0);
	timefmt_rfc3339(time, text);
	assert_string_equal(text, "2026-11-23T23:21:07.123Z");
	assert_int_equal(timefmt_parse_rfc3339("2026-11-24T08:21:07.123456+09:00", &back), 0);
	assert_int_equal(time, back);
	assert_int_equal(timefmt_parse_rfc3339("0001-01-01T00:00:00Z", &time), 0);
	assert_int_equal(time, 0);
	assert_true(timefmt_parse_rfc3339("2026-13-01T00:00:00Z", &time) < 0);
	assert_true(timefmt_parse_rfc3339("2026-11-23", &time) < 0);
	assert_true(timefmt_parse_rfc3339("2026-11-23T23:21:07", &time) < 0);
	timefmt_rfc3339(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_keeps_code_and_gains_context),
		cmocka_unit_test(error_may_quote_itself),
		cmocka_unit_test(arena_stops_at_its_ceiling),
		cmocka_unit_test(buffer_fails_once_and_stays_failed),
		cmocka_unit_test(json_is_escaped_and_separated),
		cmocka_unit_test(strings_are_cut_between_characters),
		cmocka_unit_test(times_go_both_ways),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
