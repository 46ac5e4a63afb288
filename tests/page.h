/* Pages of docs/ that a test writes, and compares when it does not write. Messages go to stderr. */
#ifndef TESTS_PAGE_H
#define TESTS_PAGE_H

#include "base/text.h"

#include <stdbool.h>

bool page_write(const char *path, const struct text *t);
bool page_is_current(const char *path, const struct text *t);

#endif
