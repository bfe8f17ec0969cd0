/* Told to the static analysers only: these always return -1, so that they see that outputs are set
 * whenever a call succeeded. */
#include "base/err.h"

#define err_set(...) (err_set(__VA_ARGS__), -1)
#define err_set_errno(...) (err_set_errno(__VA_ARGS__), -1)
#define err_wrap(...) (err_wrap(__VA_ARGS__), -1)
#define err_oom(...) (err_oom(__VA_ARGS__), -1)
