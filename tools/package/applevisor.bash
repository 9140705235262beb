# SPDX-License-Identifier: MIT OR Apache-2.0
# bash completion for applevisor(1): its commands, a command's options, and files. The program's own usage lines are the list.
_applevisor() {
    local word=${COMP_WORDS[COMP_CWORD]} usage words=
    usage=$("${COMP_WORDS[0]}" --help 2>/dev/null | sed '/^$/q')
    if ((COMP_CWORD == 1)); then
        words="$(sed -n 's/.*applevisor \([a-z-]*\).*/\1/p' <<<"$usage")"
    elif [[ $word == -* ]]; then
        words=$(awk -v command="${COMP_WORDS[1]}" \
            '/applevisor / { mine = $0 ~ "applevisor " command "( |$)" } mine' <<<"$usage" |
            grep -o -- '--[a-z][a-z-]*' | sort -u)
    fi
    if [[ -n $words ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -o filenames -F _applevisor applevisor
