/* dure: one binary. `dure serve` is the service, `dure admin` repairs its data directory, every
 * other verb is the command-line client. */
#include <stdio.h>

#include "admin.h"
#include "base/err.h"
#include "base/failpoint.h"
#include "base/strings.h"
#include "cli/cli.h"
#include "config.h"
#include "serve.h"

static int print_failpoints(void)
{
#ifdef DURE_FAILPOINTS
	for (enum failpoint point = 0; point < FAILPOINT_COUNT; point++)
		puts(failpoint_name(point));
	return 0;
#else
	fputs("dure: this build has no failure points (meson -Dfailpoints=true)\n", stderr);
	return 1;
#endif
}

static int serve_main(int argc, char **argv)
{
	CONFIG_AUTO(config);
	ERR_AUTO(err);

	if (argc == 2 && str_equal(argv[1], "--print-failpoints"))
		return print_failpoints();
	if (config_load(argc, argv, &config, &err) < 0 || serve(&config, &err) < 0) {
		fprintf(stderr, "dure serve: %s\n", err.message);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && str_equal(argv[1], "serve"))
		return serve_main(argc - 1, argv + 1);
	if (argc > 1 && str_equal(argv[1], "admin"))
		return admin_main(argc - 1, argv + 1);
	return cli_main(argc, argv);
}
