#!/bin/sh
# Form of the sources: no tabs, no trailing blanks, a final newline, ASCII, at most 600 lines and, YAML files
# excepted, 110 columns. Golden files of the command line are as the program prints them.
# usage: test_style.sh [ROOT]
set -u
cd "${1:-$(dirname "$0")/..}" || exit 66
{
    find base sim arch workloads results include cli tests configs tools docs \( -name '*.[ch]' \
        -o -name '*.sh' -o -name '*.yaml' -o -name '*.sql' -o -name meson.build -o -name '*.py' \) \
        ! -path 'tests/reference/*' ! -path 'tests/cli/*' ! -path 'tests/fuzz/*'
    ls meson.build
} | LC_ALL=C awk '
function complain(what) { printf "%s:%d: %s\n", file, line, what; failed = 1 }
{
    file = $0
    files++
    source = file ~ /\.[ch]$/
    for (line = 0; (getline text < file) > 0;) {
        line++
        if (text ~ /\t/) complain("a tab")
        if (text ~ / $/) complain("trailing blanks")
        if (text ~ /[^ -~\t]/) complain("a character that is not ASCII")
        if (length(text) > 110 && file !~ /\.yaml$/) complain("more than 110 columns")
        if (source && line == 601) complain("more than 600 lines")
    }
    close(file)
    last = ""
    command = "tail -c 1 " file " | od -An -c"
    command | getline last
    close(command)
    if (last !~ /\\n/) complain("no newline at the end")
}
END {
    if (files < 60) { print "only " files " files were seen"; failed = 1 }
    exit failed
}'
