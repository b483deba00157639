# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Completion of graftctl(1) for bash: commands, options, and what the server knows: mounted paths, plugins, their keys.

# Prints a line for each word of what graftctl says that begins with the prefix; asks the server that the line names.
_graftctl_ask() {
	local -a server=()
	[ -z "$socket" ] || server=(-s "$socket")
	graftctl "${server[@]}" "$@" 2>/dev/null || true
}

# Words given, those that begin with what is being typed.
_graftctl_words() {
	local word
	for word; do
		[[ $word != "$current"* ]] || COMPREPLY+=("$word")
	done
}

# Where something is mounted. A path may hold blanks and quotes.
_graftctl_paths() {
	local path quoted
	while IFS= read -r path; do
		printf -v quoted '%q' "$path"
		[[ $path != "$current"* && $quoted != "$current"* ]] || COMPREPLY+=("$quoted")
	done < <(_graftctl_ask list --paths)
}

# The first column of a table, without its title: of plugins, or of a plugin's keys.
_graftctl_column() {
	local first rest title=yes
	while read -r first rest; do
		[ -n "$title" ] || [[ $first != "$current"* ]] || COMPREPLY+=("$first$1")
		title=
	done < <(_graftctl_ask "${@:2}")
}

_graftctl_folders() {
	local folder
	while IFS= read -r folder; do
		COMPREPLY+=("$folder")
	done < <(compgen -d -- "$current")
	compopt -o filenames 2>/dev/null || true
}

# What stands behind an option that has a value; fails where previous is none.
_graftctl_value() {
	case $previous in
	-s | --socket)
		_graftctl_folders
		local file
		while IFS= read -r file; do
			COMPREPLY+=("$file")
		done < <(compgen -G "$current*.sock")
		;;
	-t | --type) _graftctl_column '' plugins ;;
	-o | --option)
		_graftctl_column '=' plugins "${type:-passthrough}"
		compopt -o nospace 2>/dev/null || true
		;;
	--source) _graftctl_folders ;;
	--layers) _graftctl_column '' plugins ;;
	--name) ;;
	*) return 1 ;;
	esac
}

_graftctl_options() {
	_graftctl_words --help --json --socket
	case $command in
	mount | remount) _graftctl_words --type --source --option --layers --name ;;
	umount) _graftctl_words --strict ;;
	list) _graftctl_words --paths ;;
	stats) _graftctl_words --watch ;;
	'') _graftctl_words --version ;;
	esac
}

# Arguments by their number among the words that are no options.
_graftctl_argument() {
	case $command:$arguments in
	:*) _graftctl_words mount umount remount list show stats retry plugins config log-level stop help ;;
	help:0) _graftctl_words mount umount remount list show stats retry plugins config log-level stop ;;
	umount:0 | show:0 | stats:0 | retry:0 | remount:1) _graftctl_paths ;;
	remount:0)
		_graftctl_paths
		_graftctl_folders
		;;
	mount:0) _graftctl_folders ;;
	plugins:0) _graftctl_column '' plugins ;;
	log-level:0) _graftctl_words error warn info debug trace ;;
	esac
}

# Bash breaks words at = and : too. Joins them again, but for --option=value, which becomes two words.
_graftctl_join() {
	local word before='' i
	words=()
	for ((i = 1; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [ "$word" = = ] && [[ $before == --* ]]; then
			((i < COMP_CWORD)) || words+=('')
		elif [[ $word == [=:] || ($before == [=:] && ${words[-1]} == *"$before") ]]; then
			if ((${#words[@]} > 0)); then words[-1]+=$word; else words=("$word"); fi
		else
			words+=("$word")
		fi
		before=$word
	done
}

# Bash replaces only what stands behind the last of its breaks.
_graftctl_strip() {
	local break
	for break in = :; do
		[[ $COMP_WORDBREAKS == *"$break"* && $current == *"$break"* ]] || continue
		COMPREPLY=("${COMPREPLY[@]#"${current%"$break"*}$break"}")
	done
}

_graftctl() {
	local -a words
	local current previous='' command='' socket='' type='' arguments=0 i last
	COMPREPLY=()
	_graftctl_join
	last=$((${#words[@]} - 1))
	current=${words[last]}
	for ((i = 0; i < last; i++)); do
		case ${words[i]} in
		-s | --socket) socket=${words[++i]} ;;
		-t | --type) type=${words[++i]} ;;
		-o | --option | --source | --layers | --name) ((i++)) ;;
		-*) ;;
		*)
			if [ -n "$command" ]; then ((arguments++)); else command=${words[i]}; fi
			;;
		esac
	done
	((last == 0)) || previous=${words[last - 1]}
	if ! _graftctl_value; then
		if [[ $current == -* ]]; then _graftctl_options; else _graftctl_argument; fi
	fi
	_graftctl_strip
}

complete -F _graftctl graftctl
