#!/bin/sh
# Form of the sources: no tabs, no trailing blanks, a final newline, ASCII, at most 110 columns and 600 lines.
# (YAML files may have longer lines.) Golden files of the command line are as the program prints them.
# usage: test_style.sh [ROOT]
set -u
cd "${1:-$(dirname "$0")/..}" || exit 66
failed=0
seen=0
tab=$(printf '\t')

# complain PATTERN FILE WHAT: every line that matches is named.
complain() {
    found=$(LC_ALL=C grep -n "$1" "$2" | head -n 5 | cut -d: -f1 | tr '\n' ' ')
    [ -z "$found" ] || { echo "$2: $3 in line $found"; failed=1; }
}

sources() {
    find base sim arch workloads results include cli tests configs tools \( -name '*.[ch]' -o -name '*.sh' \
        -o -name '*.yaml' -o -name '*.sql' -o -name meson.build -o -name '*.py' \) \
        ! -path 'tests/reference/*' ! -path 'tests/cli/*' ! -path 'tests/fuzz/*'
    ls meson.build
}

for file in $(sources); do
    seen=$((seen + 1))
    complain "$tab" "$file" "a tab"
    complain ' $' "$file" "trailing blanks"
    complain '[^ -~]' "$file" "a character that is not ASCII"
    case $file in
    *.yaml) ;; # the source of a number may be long
    *) complain '.\{111\}' "$file" "more than 110 columns" ;;
    esac
    [ -z "$(tail -c 1 "$file")" ] || { echo "$file: no newline at the end"; failed=1; }
    case $file in
    *.[ch])
        lines=$(wc -l <"$file")
        [ "$lines" -le 600 ] || { echo "$file: $lines lines; at most 600"; failed=1; }
        ;;
    esac
done
[ $seen -gt 60 ] || { echo "only $seen files were seen"; failed=1; }
exit $failed
