#compdef PROGRAM
# zsh completion for PROGRAM
#
# Asks `PROGRAM __complete` for the candidates. Its last line, `:N`, says what to do with them:
# 1 nothing, 2 no space after them, 4 no files, 8 files that end so, 16 directories.

_PROGRAM() {
    local -a lines described extensions space
    local answer directive line value text

    answer="$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)" || return 1
    lines=("${(@f)answer}")
    directive="${lines[-1]#:}"
    lines=("${(@)lines[1,-2]}")
    if [[ ! $directive == <-> ]] || (( directive & 1 )); then
        return 1
    fi

    # Of `--flag=value`, only the value is being written.
    if [[ $PREFIX == -*=* ]]; then
        compset -P '*='
    fi

    if (( directive & 8 )); then
        for line in $lines; do
            extensions+=("*.${line%%$'\t'*}")
        done
        _files -g "(${(j:|:)extensions})"
        return
    fi
    if (( directive & 16 )); then
        _files -/
        return
    fi

    for line in $lines; do
        value="${line%%$'\t'*}"
        text=""
        if [[ $line == *$'\t'* ]]; then
            text="${line#*$'\t'}"
        fi
        described+=("${value//:/\\:}${text:+:$text}")
    done
    if (( directive & 2 )); then
        space=(-S '')
    fi
    if (( $#described )); then
        _describe -V PROGRAM described $space
    elif (( ! (directive & 4) )); then
        _files
    fi
}

# Read by `source`, the function is not yet known to zsh; in a directory of fpath, it is called at once.
if [[ $funcstack[1] == _PROGRAM ]]; then
    _PROGRAM
elif (( $+functions[compdef] )); then
    compdef _PROGRAM PROGRAM
fi
