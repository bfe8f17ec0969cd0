/* Questions to the person at the terminal. */
#ifndef DURE_CLI_PROMPT_H
#define DURE_CLI_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* One line from the terminal, without echo for secrets. ERR_INVALID when there is no terminal. */
int prompt_line(const char *question, bool secret, char *out, size_t size, struct err *err);
/* One line from the standard input (--password-stdin); an empty one is an error. */
int prompt_stdin_line(char *out, size_t size, struct err *err);
/* Asks on a terminal and wants a yes; without one there is nobody to ask and it is a yes. */
bool prompt_confirm(const char *question);

#endif
