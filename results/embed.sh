#!/bin/sh
# Prints C source that defines NAME as the text of FILE.
# usage: embed.sh NAME FILE
set -eu
printf '#include "results/db.h"\nconst char %s[] =\n' "$1"
sed -e '/^ *--/d' -e '/^$/d' -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n"/' "$2"
echo '    "";'
