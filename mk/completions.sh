#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Completion for a shell, from commands.txt and what each command's --help says of its
# options. Usage: mk/completions.sh BUILT_CHOP chop.bash|_chop
set -eu -o pipefail
chop=$1 kind=$2
list=$(dirname "$0")/../commands.txt

# NAME|ALIASES|SUMMARY
commands() {
	awk -F'[ \t]*[|][ \t]*' '!/^#/ && NF >= 4 { print $1 "|" ($2 == "-" ? "" : $2) "|" $4 }' "$list"
}

# OPTION|ARGUMENT|HELP for each spelling of each option of a command
options() { # NAME
	"$chop" "$1" --help | awk '
	/^Examples:/ { exit }
	/^  +-/ {
		text = help = $0
		sub(/^ +/, "", text)
		if (match(text, /   *[^ -]/)) {
			help = substr(text, RSTART + RLENGTH - 1)
			text = substr(text, 1, RSTART - 1)
		} else {
			help = ""
		}
		n = split(text, word, /,? /)
		argument = word[n] ~ /^-/ ? "" : word[n]
		for (i = 1; i <= n; i++)
			if (word[i] ~ /^-/) print word[i] "|" argument "|" help
	}'
}

bash_completion() {
	local name aliases names="" all=chop
	while IFS='|' read -r name aliases _; do
		names="$names $name"
		all="$all ${aliases//,/ }"
	done < <(commands)
	cat <<EOF
# bash completion for chop; made by mk/completions.sh
_chop()
{
	local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}
	local command=\${COMP_WORDS[0]##*/} first=1 i options files
	COMPREPLY=()
	if [ "\$command" = chop ]; then
		if [ "\$COMP_CWORD" -eq 1 ]; then
			COMPREPLY=(\$(compgen -W "$names --help --version" -- "\$word"))
			return
		fi
		command=\${COMP_WORDS[1]} first=2
	fi
	# What follows -- is a command of its own.
	for ((i = first; i < COMP_CWORD; i++)); do
		if [ "\${COMP_WORDS[i]}" = -- ]; then
			if declare -F _command_offset >/dev/null; then
				_command_offset \$((i + 1))
			else
				COMPREPLY=(\$(compgen -c -f -- "\$word"))
			fi
			return
		fi
	done
	case \$command in
EOF
	while IFS='|' read -r name aliases _; do
		echo "	$name${aliases:+|${aliases//,/|}})"
		echo "		options='$(options "$name" | cut -d'|' -f1 | grep -- '^--' | tr '\n' ' ')'"
		echo "		files='$(options "$name" | awk -F'|' '$2 ~ /FILE|DIR|PATH/ { print $1 }' | tr '\n' ' ')'"
		echo "		;;"
	done < <(commands)
	cat <<EOF
	*) return ;;
	esac
	if [[ \$word == -* && " \$files " != *" \$before "* ]]; then
		COMPREPLY=(\$(compgen -W "\$options" -- "\$word"))
	else
		COMPREPLY=(\$(compgen -f -- "\$word"))
	fi
}
complete -o filenames -F _chop $all
EOF
}

quote() { # for a single-quoted zsh string inside [...]
	sed "s/'/'\\\\''/g; s/[]:[\\\\]/\\\\&/g"
}

zsh_completion() {
	local name aliases summary option argument help all=chop
	while IFS='|' read -r _ aliases _; do
		all="$all ${aliases//,/ }"
	done < <(commands)
	echo "#compdef $all"
	echo "# zsh completion for chop; made by mk/completions.sh"
	echo "local -a commands=("
	while IFS='|' read -r name _ summary; do
		echo "	'$name:$(quote <<<"$summary")'"
	done < <(commands)
	echo ")"
	echo 'local name=${service}'
	echo 'if [[ $service == chop ]]; then'
	echo '	(( CURRENT == 2 )) && { _describe command commands; return }'
	echo '	name=$words[2]; shift words; (( CURRENT-- ))'
	echo 'fi'
	echo 'case $name in'
	while IFS='|' read -r name aliases _; do
		echo "$name${aliases:+|${aliases//,/|}})"
		echo "	_arguments \\"
		while IFS='|' read -r option argument help; do
			printf "		'%s[%s]%s' \\\\\n" "$option" "$(quote <<<"$help")" \
				"${argument:+:$argument:_files}"
		done < <(options "$name")
		echo "		'*:::file or command:_normal'"
		echo "	;;"
	done < <(commands)
	echo 'esac'
}

case $kind in
chop.bash) bash_completion ;;
_chop) zsh_completion ;;
*) echo "usage: mk/completions.sh CHOP chop.bash|_chop" >&2; exit 2 ;;
esac
