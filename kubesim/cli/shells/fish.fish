# fish completion for PROGRAM
#
# Asks `PROGRAM __complete` for the candidates. Its last line, `:N`, says what to do with them:
# 1 nothing, 2 no space after them, 4 no files, 8 files that end so, 16 directories.

function __PROGRAM_complete
    set -l current (commandline -ct)
    set -l words (commandline -opc)
    set -l lines ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
    test (count $lines) -gt 0; or return
    set -l directive (string replace -r '^:' '' -- $lines[-1])
    set -e lines[-1]
    string match -qr '^[0-9]+$' -- $directive; or return
    test (math "bitand($directive, 1)") -ne 0; and return

    # Of `--flag=value`, only the value is being written, but fish replaces the whole word.
    set -l prefix ''
    set -l rest $current
    if string match -qr '^-[^=]*=' -- $current
        set prefix (string replace -r '^(-[^=]*=).*$' '$1' -- $current)
        set rest (string replace -r '^-[^=]*=' '' -- $current)
    end

    if test (math "bitand($directive, 8)") -ne 0
        for extension in $lines
            __fish_complete_suffix $rest .$extension
        end
        return
    end
    if test (math "bitand($directive, 16)") -ne 0
        __fish_complete_directories $rest
        return
    end
    for line in $lines
        printf '%s%s\n' $prefix $line
    end
    if test (math "bitand($directive, 4)") -eq 0; and test (count $lines) -eq 0
        __fish_complete_path $rest
    end
end

complete -c PROGRAM -e
complete -c PROGRAM -f -a '(__PROGRAM_complete)'
