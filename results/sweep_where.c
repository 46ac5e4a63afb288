/* Constraints: comparisons joined by `and` and `or` (`and` binds tighter).
 * A path takes its value from the point's axes, else from its base file. */
#include "results/sweep_impl.h"

#include <stdio.h>
#include <string.h>

enum { MAX_TERMS = 16 };
enum op { OP_EQ, OP_NE, OP_LE, OP_GE, OP_LT, OP_GT, N_OPS };
static const char *const ops[N_OPS] = {"==", "!=", "<=", ">=", "<", ">"};

struct operand {
    const char *text;
    struct place at;
};
struct comparison {
    struct operand a, b;
    enum op op;
    bool or_before; /* joined to the previous one by `or` */
};
struct where {
    struct place at;
    const char *text;
    bool quoted; /* in the file */
    size_t n;
    struct comparison terms[MAX_TERMS];
};

struct number {
    enum { NUMBER_NONE, NUMBER_WHOLE, NUMBER_REAL } kind;
    uint64_t u;
    double r;
};

static struct number number_of(const char *s)
{
    struct number n = {NUMBER_NONE, 0, 0};
    char buf[160];
    const char *why;
    for (int unit = UNIT_NONE; unit <= UNIT_HZ; unit++) {
        if (text_parse_u64(s, (enum unit)unit, &n.u, buf, sizeof buf, &why))
            return (struct number){NUMBER_WHOLE, n.u, (double)n.u};
    }
    if (text_parse_real(s, &n.r))
        n.kind = NUMBER_REAL;
    return n;
}

static int compare(const char *a, const char *b)
{
    struct number x = number_of(a), y = number_of(b);
    if (x.kind == NUMBER_NONE || y.kind == NUMBER_NONE)
        return strcmp(a, b);
    if (x.kind == NUMBER_WHOLE && y.kind == NUMBER_WHOLE)
        return (x.u > y.u) - (x.u < y.u);
    return (x.r > y.r) - (x.r < y.r);
}

static bool op_holds(enum op op, int order)
{
    switch (op) {
    case OP_EQ: return order == 0;
    case OP_NE: return order != 0;
    case OP_LE: return order <= 0;
    case OP_GE: return order >= 0;
    case OP_LT: return order < 0;
    default: return order > 0;
    }
}

static bool is_path(const char *s)
{
    char head[8];
    size_t n = strcspn(s, ".");
    if (n >= sizeof head || !s[n])
        return false;
    memcpy(head, s, n);
    head[n] = '\0';
    return sweep_file_index(head) >= 0;
}

/* Where `part` of the constraint's text is in the file; where the constraint is when it spans lines or has
 * escapes. */
static struct place place_of(const struct where *w, const char *part, size_t len)
{
    struct place at = w->at;
    size_t offset = (size_t)(part - w->text) + w->quoted;
    const char *line = at.source;
    for (size_t i = 0; line && i < at.col - 1 + offset; i++)
        line = line[i] == '\n' || line[i] == '\0' ? NULL : line;
    if (line && !strncmp(line + at.col - 1 + offset, part, len))
        at.col += (unsigned)offset;
    return at;
}

static struct operand operand_at(struct rs_sweep *s, const struct where *w, const char *start, size_t len)
{
    return (struct operand){arena_strndup(&s->arena, start, len), place_of(w, start, len)};
}

/* What is between a pair of quotes; no text when the second one is missing. */
static struct operand parse_quoted(struct rs_sweep *s, const struct where *w, const char **cursor)
{
    const char *start = *cursor + 1, *end = strchr(start, **cursor);
    if (!end)
        return (struct operand){.text = NULL};
    *cursor = end + 1 + strspn(end + 1, " ");
    return operand_at(s, w, start, (size_t)(end - start));
}

/* One operand: something in quotes, or words up to an operator, `and`, `or` or the end. */
static struct operand parse_operand(struct rs_sweep *s, const struct where *w, const char **cursor)
{
    const char *p = *cursor + strspn(*cursor, " "), *start = p, *end = p;
    if (*p == '\'' || *p == '"') {
        *cursor = p;
        return parse_quoted(s, w, cursor);
    }
    while (*p && !strchr("=!<>", *p)) {
        size_t word = strcspn(p, " =!<>");
        if ((word == 3 && !strncmp(p, "and", 3)) || (word == 2 && !strncmp(p, "or", 2)))
            break;
        p += word;
        end = p;
        p += strspn(p, " ");
    }
    *cursor = p;
    return end > start ? operand_at(s, w, start, (size_t)(end - start)) : (struct operand){.text = NULL};
}

static bool parse_op(const char **cursor, enum op *op)
{
    for (int i = 0; i < N_OPS; i++) {
        size_t n = strlen(ops[i]);
        if (strncmp(*cursor, ops[i], n))
            continue;
        *op = (enum op)i;
        *cursor += n;
        return true;
    }
    return false;
}

/* Operands with a blank are numbers with a unit, or a mistake. */
static bool operand_ok(const struct operand *o, struct err *err)
{
    const char *text = o->text, *dot = strchr(text, '.');
    if (number_of(text).kind != NUMBER_NONE || (is_path(text) && !strchr(text, ' ')))
        return true;
    if (strchr(text, ' '))
        return err_add(err, ERR_CONFIG, &o->at, "`%s` is neither a path, a number with its unit, nor a word",
                       text);
    if (!dot)
        return true;
    char head[32];
    snprintf(head, sizeof head, "%.*s", (int)(dot - text), text);
    const char *near = text_nearest(head, sweep_files, N_FILES);
    return err_add(err, ERR_CONFIG, &o->at, "`%s` is no path of a configuration; legal are arch.KEY, "
                   "work.KEY, tech.KEY%s%s%s%s", text, near ? " (did you mean `" : "", near ? near : "",
                   near ? dot : "", near ? "`?)" : "");
}

static bool parse_term(struct rs_sweep *s, struct where *w, const char **p, struct err *err)
{
    struct comparison *c = &w->terms[w->n];
    c->a = parse_operand(s, w, p);
    if (!c->a.text || !parse_op(p, &c->op))
        return err_add(err, ERR_CONFIG, &w->at, "expected `A OP B` with OP one of == != < <= > >=, joined by "
                       "`and` or `or`; got `%s`", w->text);
    c->b = parse_operand(s, w, p);
    if (!c->b.text)
        return err_add(err, ERR_CONFIG, &w->at, "nothing to compare `%s` with in `%s`", c->a.text, w->text);
    w->n++;
    if (!operand_ok(&c->a, err) || !operand_ok(&c->b, err))
        return false;
    return is_path(c->a.text) || is_path(c->b.text) ||
           err_add(err, ERR_CONFIG, &c->a.at, "`%s %s %s` compares no path; legal: arch.KEY, work.KEY or "
                   "tech.KEY on one side", c->a.text, ops[c->op], c->b.text);
}

struct where *sweep_where_parse(struct rs_sweep *s, const struct ynode *node, struct err *err)
{
    struct where *w = ARENA_NEW(&s->arena, struct where, 1);
    w->at = node->at;
    w->text = node->kind == YNODE_SCALAR ? node->text : "";
    w->quoted = node->quoted;
    if (node->kind != YNODE_SCALAR) {
        err_add(err, ERR_CONFIG, &node->at, "a constraint must be text such as `work.chunk <= work.seq`");
        return NULL;
    }
    const char *p = w->text;
    for (;;) {
        if (!parse_term(s, w, &p, err))
            return NULL;
        if (!*p)
            return w;
        bool is_or = p[0] == 'o' && p[1] == 'r';
        if ((!is_or && strncmp(p, "and", 3)) || w->n == MAX_TERMS) {
            err_add(err, ERR_CONFIG, &w->at, "expected `and` or `or` before `%s` (at most %d comparisons)", p,
                    MAX_TERMS);
            return NULL;
        }
        w->terms[w->n].or_before = is_or;
        p += is_or ? 2 : 3;
    }
}

static const struct sweep_doc *doc_get(struct rs_sweep *s, const char *path, struct err *err)
{
    for (const struct sweep_doc *d = s->docs; d; d = d->next) {
        if (!strcmp(d->path, path))
            return d;
    }
    struct sweep_doc *d = ARENA_NEW(&s->arena, struct sweep_doc, 1);
    d->path = path;
    d->root = yaml_load(&s->arena, path, err);
    d->next = s->docs;
    s->docs = d;
    return d;
}

static const char *doc_value(const struct sweep_doc *d, const char *path)
{
    const struct ynode *node = d->root;
    char key[64];
    for (path = strchr(path, '.'); path && node; path = strchr(path, '.')) {
        path++;
        size_t n = strcspn(path, ".");
        if (n >= sizeof key || node->kind != YNODE_MAP)
            return NULL;
        memcpy(key, path, n);
        key[n] = '\0';
        node = yaml_get(node, key);
    }
    return node && node->kind == YNODE_SCALAR ? node->text : NULL;
}

static int file_of(const char *path)
{
    return path[0] == 'a' ? FILE_ARCH : path[0] == 'w' ? FILE_WORK : FILE_TECH;
}

/* `o` is where it stands; the value is its own or one that an axis or a file gives it. */
static bool check_value(const struct operand *o, const char *value, bool number, struct err *err)
{
    if (!number || number_of(value).kind != NUMBER_NONE)
        return true;
    return err_add(err, ERR_CONFIG, &o->at, "`%s` can be `%s`, which is no number: < <= > >= compare numbers",
                   o->text, value);
}

struct names {
    struct arena arena;
    const char *v[512];
    size_t n;
};

static void add_name(struct names *names, const char *name)
{
    if (names->n < sizeof names->v / sizeof names->v[0])
        names->v[names->n++] = name;
}

/* Paths below `node` that have a value. */
static void add_paths(struct names *names, const struct ynode *node, const char *path)
{
    if (node->kind == YNODE_SCALAR)
        add_name(names, path);
    for (size_t i = 0; node->kind == YNODE_MAP && i < node->n; i++)
        add_paths(names, node->items[i], arena_printf(&names->arena, "%s.%s", path, node->keys[i]));
}

/* No axis or `set` gives it a value, and the file has none. */
static bool no_value(const struct group *g, const struct operand *o, const struct sweep_doc *d,
                     const char *file, struct err *err)
{
    struct names names = {.n = 0};
    for (size_t i = 0; i < g->n_axes; i++)
        for (size_t k = 0; k < g->axes[i].choices[0].n; k++)
            add_name(&names, g->axes[i].choices[0].assigns[k].path);
    if (d && d->root)
        add_paths(&names, d->root, sweep_files[file_of(o->text)]);
    const char *near = text_nearest(o->text, names.v, names.n);
    err_add(err, ERR_CONFIG, &o->at, "`%s` has no value here: it is no axis and not in %s; legal: an axis, a "
            "key of `set` or of the file%s%s%s", o->text, file ? file : "a technology file of the sweep",
            near ? " (did you mean `" : "", near ? near : "", near ? "`?)" : "");
    arena_finish(&names.arena);
    return false;
}

static bool check_in_doc(struct rs_sweep *s, const struct group *g, const struct operand *o,
                         const char *file, bool number, struct err *err)
{
    const struct sweep_doc *d = file ? doc_get(s, file, err) : NULL;
    const char *value = d ? doc_value(d, o->text) : NULL;
    return value ? check_value(o, value, number, err) : no_value(g, o, d, file, err);
}

/* The axis that gives `path` a value in all of its choices, or NULL. */
static const struct axis *axis_of(const struct group *g, const char *path)
{
    for (size_t i = 0; i < g->n_axes; i++) {
        size_t hits = 0;
        for (size_t c = 0; c < g->axes[i].n; c++) {
            const struct choice *choice = &g->axes[i].choices[c];
            for (size_t k = 0; k < choice->n; k++)
                hits += !strcmp(choice->assigns[k].path, path);
        }
        if (hits && hits == g->axes[i].n)
            return &g->axes[i];
    }
    return NULL;
}

/* Every value that axes give to a path is a number. */
static bool axes_ok(const struct group *g, const struct operand *o, bool number, struct err *err)
{
    for (size_t i = 0; i < g->n_axes; i++) {
        const struct axis *a = &g->axes[i];
        for (size_t c = 0; c < a->n; c++) {
            const struct choice *choice = &a->choices[c];
            for (size_t k = 0; k < choice->n; k++) {
                if (!strcmp(choice->assigns[k].path, o->text) &&
                    !check_value(o, choice->assigns[k].value, number, err))
                    return false;
            }
        }
    }
    return true;
}

static bool check_operand(struct rs_sweep *s, const struct group *g, const struct operand *o, bool number,
                          struct err *err)
{
    if (!is_path(o->text))
        return check_value(o, o->text, number, err);
    if (!axes_ok(g, o, number, err))
        return false;
    if (axis_of(g, o->text))
        return true;
    int file = file_of(o->text);
    const struct axis *files = axis_of(g, sweep_files[file]);
    if (!files)
        return check_in_doc(s, g, o, g->files[file], number, err);
    for (size_t c = 0; c < files->n; c++) {
        const struct choice *choice = &files->choices[c];
        for (size_t k = 0; k < choice->n; k++) {
            if (!strcmp(choice->assigns[k].path, sweep_files[file]) &&
                !check_in_doc(s, g, o, choice->assigns[k].value, number, err))
                return false;
        }
    }
    return true;
}

/* A word that an axis never has is a mistake: the comparison would always come out the same. */
static bool check_word(const struct group *g, const struct operand *path, const struct operand *word,
                       struct err *err)
{
    const struct axis *a = is_path(path->text) ? axis_of(g, path->text) : NULL;
    const char *values[64];
    size_t n = 0;
    for (size_t c = 0; a && c < a->n; c++)
        for (size_t k = 0; k < a->choices[c].n; k++) {
            const struct assign *as = &a->choices[c].assigns[k];
            if (strcmp(as->path, path->text) || n == sizeof values / sizeof values[0])
                continue;
            if (!strcmp(as->value, word->text))
                return true;
            values[n++] = as->value;
        }
    if (!a || is_path(word->text) || number_of(word->text).kind != NUMBER_NONE)
        return true;
    const char *near = text_nearest(word->text, values, n);
    return err_add(err, ERR_CONFIG, &word->at, "`%s` is never `%s` in this sweep%s%s%s", path->text,
                   word->text, near ? " (did you mean `" : "; legal: a value of its axis", near ? near : "",
                   near ? "`?)" : "");
}

bool sweep_where_check(struct rs_sweep *s, const struct group *g, const struct where *w, struct err *err)
{
    bool ok = true;
    for (size_t i = 0; i < w->n; i++) {
        const struct comparison *c = &w->terms[i];
        bool number = c->op != OP_EQ && c->op != OP_NE;
        bool both = check_operand(s, g, &c->a, number, err);
        both = check_operand(s, g, &c->b, number, err) && both;
        ok = both && (number || (check_word(g, &c->a, &c->b, err) && check_word(g, &c->b, &c->a, err))) && ok;
    }
    return ok;
}

static const char *value_of(const struct rs_sweep *s, const char *operand, const rs_point *p,
                            const struct rs_point_buf *b)
{
    if (!is_path(operand))
        return operand;
    for (size_t i = 0; i < p->n_sets; i++) {
        if (!strcmp(b->assigns[i]->path, operand))
            return b->assigns[i]->value;
    }
    const char *files[N_FILES] = {p->arch_path, p->work_path, p->tech_path};
    const char *file = files[file_of(operand)];
    for (const struct sweep_doc *d = s->docs; file && d; d = d->next) {
        const char *value = strcmp(d->path, file) ? NULL : doc_value(d, operand);
        if (value)
            return value;
    }
    return "";
}

bool sweep_where_holds(const struct rs_sweep *s, const struct where *w, const rs_point *p,
                       const struct rs_point_buf *b)
{
    bool any = false, all = true;
    for (size_t i = 0; i < w->n; i++) {
        const struct comparison *c = &w->terms[i];
        if (c->or_before) {
            any |= all;
            all = true;
        }
        all &= op_holds(c->op, compare(value_of(s, c->a.text, p, b), value_of(s, c->b.text, p, b)));
    }
    return any | all;
}
