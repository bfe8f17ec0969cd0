/* `dure serve`: wires the rooms together and runs until SIGTERM or SIGINT. */
#ifndef DURE_SERVE_H
#define DURE_SERVE_H

#include "base/err.h"
#include "config.h"

int serve(const struct config *config, struct err *err);

#endif
