/* The command line client of the API: every verb of `dure` that is not `serve`. */
#ifndef DURE_CLI_CLI_H
#define DURE_CLI_CLI_H

/* Runs `dure <verb> …` with main's own arguments and returns its exit status: 0 success, 1 usage or
 * state, 2 API error, 3 authentication, 4 network. Prints to stdout (results) and stderr (the
 * rest). Without a verb, and for `help`, it lists the verbs, `serve` among them. */
int cli_main(int argc, char **argv);

#endif
