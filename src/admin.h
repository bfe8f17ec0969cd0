/* `dure admin …`: repairs by whoever owns the data directory, while the server is stopped. */
#ifndef DURE_ADMIN_H
#define DURE_ADMIN_H

/* argv[0] is "admin". Returns the exit code. */
int admin_main(int argc, char **argv);

#endif
