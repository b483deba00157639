# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Completion of graftctl(1) for bash: commands, options, what the server knows (mounted paths, plugins, their keys), and paths in
# an image.

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

_graftctl_files() {
	local file
	while IFS= read -r file; do
		COMPREPLY+=("$file")
	done < <(compgen -f -- "$current")
	compopt -o filenames 2>/dev/null || true
}

# Paths in the image that the line names, down to the next slash. A name that is escaped cannot be typed.
_graftctl_image_paths() {
	local above=${current%"${current##*/}"} name quoted
	while IFS= read -r name; do
		[[ $name != *\\* ]] || continue
		printf -v quoted '%q' "$above$name"
		[[ $above$name != "$current"* && $quoted != "$current"* ]] || COMPREPLY+=("$quoted")
	done < <(graftctl image ls "${given[1]}" "${above:-/}" 2>/dev/null)
	compopt -o nospace 2>/dev/null || true
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
	-b | --blob-dir) _graftctl_folders ;;
	--blob-file | --device) _graftctl_files ;;
	--validate) _graftctl_words none crc digest full ;;
	--by) _graftctl_words all mount op ;;
	--sort) _graftctl_words rate latency errors bytes ;;
	-i | --interval | -n | --count) ;;
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
	top) _graftctl_words --by --sort --interval --count --once ;;
	image)
		_graftctl_words --blob-dir --blob-file --device
		case ${given[0]-} in
		ls) _graftctl_words --long --recursive ;;
		stat) _graftctl_words --chunks ;;
		cat) _graftctl_words --validate ;;
		check) _graftctl_words --fast ;;
		esac
		;;
	'') _graftctl_words --version ;;
	esac
}

# Arguments by their number among the words that are no options.
_graftctl_argument() {
	case $command:$arguments in
	:*) _graftctl_words mount umount remount list show stats top retry plugins config log-level stop image xattrmap help ;;
	help:0) _graftctl_words mount umount remount list show stats top retry plugins config log-level stop image xattrmap ;;
	umount:0 | show:0 | stats:0 | top:0 | retry:0 | remount:1) _graftctl_paths ;;
	remount:0)
		_graftctl_paths
		_graftctl_folders
		;;
	mount:0) _graftctl_folders ;;
	plugins:0) _graftctl_column '' plugins ;;
	image:0) _graftctl_words show ls stat cat check ;;
	image:1) _graftctl_files ;;
	image:2) case ${given[0]} in ls | stat | cat) _graftctl_image_paths ;; esac ;;
	xattrmap:0) _graftctl_words check convert try ;;
	xattrmap:1) _graftctl_files ;;
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
	local -a words given=()
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
		-b | --blob-dir | --blob-file | --device | --validate) ((i++)) ;;
		--by | --sort | -i | --interval | -n | --count) ((i++)) ;;
		-*) ;;
		*)
			if [ -n "$command" ]; then given+=("${words[i]}"); else command=${words[i]}; fi
			;;
		esac
	done
	arguments=${#given[@]}
	((last == 0)) || previous=${words[last - 1]}
	if ! _graftctl_value; then
		if [[ $current == -* ]]; then _graftctl_options; else _graftctl_argument; fi
	fi
	_graftctl_strip
}

complete -F _graftctl graftctl
