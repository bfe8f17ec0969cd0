/* The data directory: one Dure at a time owns it. */
#ifndef DURE_DATADIR_H
#define DURE_DATADIR_H

#include "base/err.h"

/* Creates it (0700) where it is missing and locks it; the lock lives as long as the descriptor. */
int datadir_open(const char *path, int *ret_lock_fd, struct err *err);

#endif
