/* Sanitizers make a program 5 to 12 times as slow: what the plain builds do often, an instrumented one does
 * less often. It meets every kind of case all the same, and draws random ones of its own. */
#ifndef TESTS_EFFORT_H
#define TESTS_EFFORT_H

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif
#define EFFORT(plain, sanitized) (SANITIZED ? (sanitized) : (plain))

#endif
