/* The option parser: one table a command, one loop for all. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_OPTIONS = 24 };

int cli_usage(const char *cmd, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "retsim %s: error: ", cmd);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "; see `retsim %s --help`\n", cmd);
    return 64;
}

static void help_line(const char *left, const char *help)
{
    if (strlen(left) > 26)
        printf("  %s\n  %-26s %s\n", left, "", help);
    else
        printf("  %-26s %s\n", left, help);
}

static void help(const struct cli_command *cmd)
{
    char left[80];
    printf("usage: retsim %s\n\n%s\n\noptions:\n", cmd->usage, cmd->about);
    for (const struct cli_option *o = cmd->options; o->name; o++) {
        char letter[8] = "    ";
        if (o->letter)
            snprintf(letter, sizeof letter, "-%c, ", o->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->arg ? " " : "", o->arg ? o->arg : "");
        help_line(left, o->help);
    }
    help_line("-h, --help", "this text");
    printf("\nexamples:\n%s", cmd->examples);
}

static int unknown(const struct cli_command *cmd, const char *name)
{
    const char *names[MAX_OPTIONS] = {"help"}, *near;
    size_t n = 1;
    for (const struct cli_option *o = cmd->options; o->name && n < MAX_OPTIONS; o++)
        names[n++] = o->name;
    near = text_nearest(name, names, n);
    if (near)
        return cli_usage(cmd->name, "unknown option '--%s' (did you mean '--%s'?)", name, near);
    return cli_usage(cmd->name, "unknown option '--%s'", name);
}

/* `value` is NULL for a switch. */
static int store(const struct cli_command *cmd, const struct cli_option *o, const char *value)
{
    if (o->on) {
        *o->on = true;
        return 0;
    }
    if (o->list) {
        if (o->list->n == CLI_MAX_SETS)
            return cli_usage(cmd->name, "more than %d times '--%s'", CLI_MAX_SETS, o->name);
        o->list->v[o->list->n++] = value;
        return 0;
    }
    if (*o->text)
        return cli_usage(cmd->name, "option '--%s' is given twice", o->name);
    *o->text = value;
    return 0;
}

/* The arguments, on their way. */
struct args {
    int i, n;
    char **v;
};

static int take(const struct cli_command *cmd, const struct cli_option *o, const char *value, struct args *a)
{
    if (!o->arg && value)
        return cli_usage(cmd->name, "option '--%s' takes no value", o->name);
    if (o->arg && !value && a->i + 1 >= a->n)
        return cli_usage(cmd->name, "option '--%s' needs a value: %s", o->name, o->arg);
    if (o->arg && !value)
        value = a->v[++a->i];
    return store(cmd, o, value);
}

static int long_option(const struct cli_command *cmd, const char *arg, struct args *a)
{
    size_t len = strcspn(arg, "=");
    char name[64];
    for (const struct cli_option *o = cmd->options; o->name; o++)
        if (strlen(o->name) == len && strncmp(o->name, arg, len) == 0)
            return take(cmd, o, arg[len] ? arg + len + 1 : NULL, a);
    snprintf(name, sizeof name, "%.*s", (int)(len < 63 ? len : 63), arg);
    return unknown(cmd, name);
}

static int short_option(const struct cli_command *cmd, const char *arg, struct args *a)
{
    for (const struct cli_option *o = cmd->options; o->name; o++)
        if (o->letter && o->letter == arg[0])
            return take(cmd, o, arg[1] ? arg + 1 : NULL, a);
    return cli_usage(cmd->name, "unknown option '-%c'", arg[0]);
}

static bool wants_help(const char *arg)
{
    return strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0;
}

int cli_parse(const struct cli_command *cmd, int argc, char **argv, size_t *n)
{
    struct args a = {.i = 1, .n = argc, .v = argv};
    bool options = true;
    int code = 0;
    *n = 0;
    for (; a.i < argc && code == 0; a.i++) {
        char *arg = argv[a.i];
        if (!options || arg[0] != '-' || !arg[1])
            argv[(*n)++] = arg;
        else if (strcmp(arg, "--") == 0)
            options = false;
        else if (wants_help(arg)) {
            help(cmd);
            return CLI_DONE;
        } else if (arg[1] == '-')
            code = long_option(cmd, arg + 2, &a);
        else
            code = short_option(cmd, arg + 1, &a);
    }
    if (code)
        return code;
    if (*n > cmd->max_operands)
        return cli_usage(cmd->name, "unexpected '%s': %s", argv[cmd->max_operands], cmd->needs);
    return *n < cmd->min_operands ? cli_usage(cmd->name, "%s", cmd->needs) : 0;
}
