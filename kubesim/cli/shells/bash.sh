# bash completion for PROGRAM
#
# Asks `PROGRAM __complete` for the candidates. Its last line, `:N`, says what to do with them:
# 1 nothing, 2 no space after them, 4 no files, 8 files that end so, 16 directories.

__PROGRAM_complete() {
    local line="${COMP_LINE:0:COMP_POINT}" cur prefix="" answer directive value
    local -a words candidates=()
    COMPREPLY=()

    read -ra words <<<"$line"
    if [[ $line == *[[:space:]] ]]; then
        words+=("")
    fi
    cur="${words[${#words[@]}-1]}"

    answer="$("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)" || return
    directive="${answer##*:}"
    answer="${answer%:*}"
    if [[ ! $directive =~ ^[0-9]+$ ]] || (( directive & 1 )); then
        return
    fi

    # Of `--flag=value`, only the value is being written.
    if [[ $cur == -*=* ]]; then
        cur="${cur#*=}"
    fi
    # Readline replaces what stands after the last break of words; the part before it must not come again.
    case "$COMP_WORDBREAKS" in
        *:*) [[ $cur == *:* ]] && prefix="${cur%:*}:" ;;
    esac

    while IFS= read -r value; do
        value="${value%%$'\t'*}"
        if [[ -n $value ]]; then
            candidates+=("$value")
        fi
    done <<<"$answer"

    if (( directive & 8 )); then
        local extension file
        while IFS= read -r file; do
            for extension in "${candidates[@]}"; do
                if [[ -d $file || $file == *."$extension" ]]; then
                    COMPREPLY+=("$file")
                    break
                fi
            done
        done < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null
        return
    fi
    if (( directive & 16 )); then
        while IFS= read -r value; do
            COMPREPLY+=("$value")
        done < <(compgen -d -- "$cur")
        compopt -o filenames 2>/dev/null
        return
    fi

    for value in "${candidates[@]}"; do
        if [[ $value == "$cur"* ]]; then
            COMPREPLY+=("${value#"$prefix"}")
        fi
    done
    if (( directive & 2 )); then
        compopt -o nospace 2>/dev/null
    fi
    if (( ! (directive & 4) )); then
        compopt -o default 2>/dev/null
    fi
}

complete -F __PROGRAM_complete PROGRAM
